package runtime

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/thalweg/thalweg/runtime/internal/outage"
	"github.com/thalweg/thalweg/runtime/internal/produce"
)

const askPause = 20 * time.Millisecond

// again calls ask until it succeeds, fails for good or ctx is done. Brokers that
// cannot be reached and coordinators that move are no failure: a process that
// ran through an outage has to go on after it. Nor is a transaction that is being
// ended. What it waits for is told to the
// log when that takes long.
func again(ctx context.Context, log *slog.Logger, what string, ask func() error) error {
	var report outage.Report
	for {
		err := ask()
		if err == nil {
			report.Over(log, what)
			return nil
		}
		if !produce.Passing(err) {
			return err
		}
		report.Waiting(log, what, err)
		select {
		case <-time.After(askPause):
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", ctx.Err(), err)
		}
	}
}
