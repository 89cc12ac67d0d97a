package runtime

import (
	"context"
	"log/slog"
	"time"

	"github.com/thalweg/thalweg/state"
)

// cleaner drops the local state that no task of this process has used for a
// while. What a task would still have needed of it, it restores.
type cleaner struct {
	db     *state.DB
	after  time.Duration
	logger *slog.Logger
	idle   map[idlePartition]time.Time // since when it was not seen open
}

type idlePartition struct {
	store     string
	partition int32
}

func newCleaner(db *state.DB, after time.Duration, logger *slog.Logger) *cleaner {
	return &cleaner{db: db, after: after, logger: logger, idle: make(map[idlePartition]time.Time)}
}

// cleanupLooks is how often state is looked at before it is dropped.
const cleanupLooks = 10

// run cleans until ctx is done.
func (c *cleaner) run(ctx context.Context) {
	tick := time.NewTicker(max(c.after/cleanupLooks, time.Millisecond))
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		if err := c.sweep(time.Now()); err != nil {
			c.logger.Warn("cleaning up local state", "err", err)
		}
	}
}

func (c *cleaner) sweep(now time.Time) error {
	parts, err := c.db.Partitions()
	if err != nil {
		return err
	}
	for _, p := range parts {
		id := idlePartition{p.Store, p.Partition}
		since, idle := c.idle[id]
		switch {
		case p.Open:
			delete(c.idle, id)
		case !idle:
			c.idle[id] = now
		case now.Sub(since) >= c.after:
			if err := c.db.Drop(p.Store, p.Partition); err != nil {
				return err // opened meanwhile, perhaps: the next sweep sees it
			}
			delete(c.idle, id)
			c.logger.Info("dropped local state that no task here uses", "store", p.Store, "partition", p.Partition)
		}
	}
	return nil
}
