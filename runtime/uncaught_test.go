package runtime

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thalweg/thalweg/dsl"
	"github.com/thalweg/thalweg/processor"
	"github.com/thalweg/thalweg/serde"
	"github.com/thalweg/thalweg/state"
	"github.com/thalweg/thalweg/state/mem"
	"github.com/thalweg/thalweg/topology"
)

// TestUncaughtErrors: tasks that failed begin again from the last commit as often
// as OnUncaught says so, and nothing is lost or counted twice.
func TestUncaughtErrors(t *testing.T) {
	eachGuarantee(t, map[string]int32{"lines": 1, "out": 1}, func(t *testing.T, r *rig, g Guarantee) {
		var failures, uncaught atomic.Int32
		topo := fragile(t, func(v string) bool { return broken(v) && failures.Add(1) <= 3 })
		cfg := r.config("app")
		cfg.Guarantee, cfg.RetryAfter = g, 5*time.Millisecond
		cfg.OnUncaught = func(err error) UncaughtAction {
			require.ErrorIs(t, err, errBroken)
			uncaught.Add(1)
			return RestartTasks
		}
		p := r.start(topo, cfg)
		r.produce("lines", 0, kv{"k", "fine"}, kv{"k", "broken"}, kv{"k", "after"})
		got := values(r.committed("out", 0, count(3)))
		if g == ExactlyOnce {
			require.Equal(t, []string{"fine", "broken", "after"}, got)
		}
		require.Equal(t, int32(3), uncaught.Load())
		require.NoError(t, p.stop())
	})
}

// TestUncaughtErrorsOfFlush: what fails behind a cache fails in the commit, and
// OnUncaught decides about it, too.
func TestUncaughtErrorsOfFlush(t *testing.T) {
	eachGuarantee(t, map[string]int32{"lines": 1, "out": 1}, func(t *testing.T, r *rig, g Guarantee) {
		var failures, uncaught atomic.Int32
		b := dsl.NewBuilder()
		b.Stream(linesTopic).GroupByKey().Reduce("lines-store", func(a, v string) string { return a + "+" + v }).ToStream().
			TryMapValues(func(_ *processor.Context, r processor.Record[string, string]) (string, error) {
				if broken(r.Value) && failures.Add(1) <= 3 {
					return "", errBroken
				}
				return r.Value, nil
			}).
			To(outTopic)
		topo, err := b.Build()
		require.NoError(t, err)
		cfg := r.config("app")
		cfg.Guarantee, cfg.RetryAfter = g, 5*time.Millisecond
		cfg.OnUncaught = func(err error) UncaughtAction {
			require.ErrorIs(t, err, errBroken)
			uncaught.Add(1)
			return RestartTasks
		}
		p := r.start(topo, cfg)
		r.produce("lines", 0, kv{"k", "broken"})
		got := values(r.committed("out", 0, count(1)))
		if g == ExactlyOnce {
			require.Equal(t, []string{"broken"}, got)
		}
		require.Equal(t, int32(3), uncaught.Load())
		require.NoError(t, p.stop())
	})
}

func TestUncaughtErrorsStop(t *testing.T) {
	r := newRig(t, map[string]int32{"lines": 1, "out": 1})
	cfg := r.config("app")
	cfg.OnUncaught = func(error) UncaughtAction { return StopApplication }
	p := r.start(fragile(t, broken), cfg)
	r.produce("lines", 0, kv{"k", "broken"})
	require.ErrorIs(t, p.wait(), errBroken)
}

// TestWrap: the store of a wrapper is one of its processor's, and restored as
// such.
func TestWrap(t *testing.T) {
	calls := state.KeyValue("calls", serde.String, serde.Int64)
	b := dsl.NewBuilder()
	b.Wrap(func(node string) topology.Wrapper {
		return topology.Wrapper{Stores: []topology.Declared{calls}, New: func() processor.Interceptor {
			var n int64 // one for each task
			return func(c *processor.Context, call processor.Call, next func() error) error {
				kept, _, err := calls.In(c).Get(call.Kind.String())
				if err != nil {
					return err
				}
				n++
				if err := calls.In(c).Put(call.Kind.String(), kept+1); err != nil {
					return err
				}
				return next()
			}
		}}
	})
	b.Stream(linesTopic).
		ProcessValuesFunc("pass", func(_ *processor.Context, r processor.Record[string, string], out *processor.ValueOut[string]) error {
			return out.Forward(r.Value)
		}).
		To(outTopic)
	topo, err := b.Build()
	require.NoError(t, err)
	r := newRig(t, map[string]int32{"lines": 1, "out": 1})
	cfg := r.config("app")
	p := r.start(topo, cfg)
	r.produce("lines", 0, kv{"k", "1"}, kv{"k", "2"})
	r.committed("out", 0, count(2))
	require.NoError(t, p.stop())

	cfg.State = mem.New()
	p = r.start(topo, cfg)
	r.produce("lines", 0, kv{"k", "3"})
	r.committed("out", 0, count(3))
	require.Eventually(t, func() bool {
		s, err := p.Snapshot()
		require.NoError(t, err)
		defer s.Close()
		n, _, err := calls.In(s.Partition(0)).Get("process")
		return err == nil && n == 3
	}, 20*time.Second, 5*time.Millisecond)
}
