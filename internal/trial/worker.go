package trial

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"

	"github.com/thalweg/thalweg/runtime"
	"github.com/thalweg/thalweg/state"
)

// application is the name of the trial's application.
const application = "trial"

// settings are what one process of the application is run with.
type settings struct {
	Brokers     []string
	StateDir    string
	Instance    string // "" is a dynamic member
	Workers     int
	AtLeastOnce bool
	Protocol1   bool // transactions as brokers before Kafka 4 have them
	Cached      bool
}

// config is the runtime's configuration: short times, so that much happens within seconds.
func (s settings) config(backend state.Backend, log *slog.Logger) runtime.Config {
	cfg := runtime.Config{
		ApplicationID: application, Brokers: s.Brokers, State: backend, InstanceID: s.Instance, Workers: s.Workers,
		CommitInterval: 100 * time.Millisecond, SessionTimeout: sessionTimeout, HeartbeatInterval: time.Second,
		TransactionTimeout: 4 * time.Second, RetryAfter: 100 * time.Millisecond, StateMemory: 64 << 20, Logger: log,
		// Segments that are soon full, so that the broker compacts and deletes within the trial.
		InternalTopics: map[string]string{"segment.bytes": "16384", "min.cleanable.dirty.ratio": "0.01"},
		OnUncaught: func(err error) runtime.UncaughtAction {
			if errors.Is(err, errBurnt) {
				return runtime.RestartTasks
			}
			return runtime.StopApplication
		},
	}
	if s.AtLeastOnce {
		cfg.Guarantee = runtime.AtLeastOnce
	}
	if s.Protocol1 {
		cfg.Client = append(cfg.Client, kgo.MaxVersions(olderClient()))
	}
	return cfg
}

// sessionTimeout is the shortest that brokers allow by default.
const sessionTimeout = 6 * time.Second

// olderClient has the requests of a client that knows nothing of finalized features, and so speaks the first transaction
// protocol to any broker.
func olderClient() *kversion.Versions {
	v := kversion.V3_7_0()
	v.SetMaxKeyVersion(int16(kmsg.ApiVersions), 2)
	v.SetMaxKeyVersion(int16(kmsg.AddPartitionsToTxn), 3)
	return v
}

// runWorker runs the application until ctx is done.
func runWorker(ctx context.Context, s settings, backend state.Backend, f *fuse, log *slog.Logger) error {
	topo, err := newProgram(f, s.Cached)
	if err != nil {
		return err
	}
	return runtime.Run(ctx, topo, s.config(backend, log))
}

var errBurnt = errors.New("user code failed, as the trial wants it to")

// fuse makes user code fail once, calls from now. It may be used by several goroutines.
type fuse struct{ calls atomic.Int64 }

func (f *fuse) burn() error {
	if f.calls.Load() > 0 && f.calls.Add(-1) == 0 {
		return errBurnt
	}
	return nil
}
