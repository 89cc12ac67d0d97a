package runtime

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thalweg/thalweg/dsl"
	"github.com/thalweg/thalweg/processor"
	"github.com/thalweg/thalweg/runtime/internal/commit"
)

// metronome counts its schedule's calls, and passes records on.
type metronome struct{ ticks chan struct{} }

func (p *metronome) Init(c *processor.Context, _ *processor.Out[string, string]) error {
	c.Schedule(time.Millisecond, processor.WallClock, func(int64) error {
		select {
		case p.ticks <- struct{}{}:
		default:
		}
		return nil
	})
	return nil
}

func (p *metronome) Process(_ *processor.Context, r processor.Record[string, string], out *processor.Out[string, string]) error {
	return out.Forward(r)
}

// TestPause: while an application is paused it commits what it did, processes
// and schedules nothing, and stays in its group.
func TestPause(t *testing.T) {
	r := newRig(t, map[string]int32{"lines": 2, "out": 1})
	ticks := make(chan struct{}, 1)
	b := dsl.NewBuilder()
	b.Stream(linesTopic).Process("tick", func() *metronome { return &metronome{ticks} }).To(outTopic)
	topo, err := b.Build()
	require.NoError(t, err)
	var turns [2]atomic.Int64 // of each worker
	p := r.startHooked(topo, r.config("app"), func(_ *App, worker int, step commit.Step) {
		if step == commit.Done {
			turns[worker].Add(1)
		}
	})
	r.produce("lines", 0, kv{"k", "1"})
	r.committed("out", 0, count(1))
	<-ticks
	require.Eventually(t, func() bool { return p.State() == Running }, 20*time.Second, time.Millisecond) // both tasks

	p.Pause()
	require.True(t, p.Paused())
	for i := range turns { // the turn that is under way may have begun before
		under := turns[i].Load()
		require.Eventually(t, func() bool { return turns[i].Load() >= under+2 }, 20*time.Second, time.Millisecond)
	}
	r.produce("lines", 1, kv{"k", "2"})
	require.Eventually(t, func() bool { return r.groupOffset("app", "lines", 0) == 1 }, 20*time.Second, 5*time.Millisecond)
	select { // one of before
	case <-ticks:
	default:
	}
	before := p.Metrics().RecordsIn
	time.Sleep(5 * r.config("app").HeartbeatInterval)
	require.Equal(t, before, p.Metrics().RecordsIn)
	require.Empty(t, ticks)
	require.Equal(t, Running, p.State())

	p.Resume()
	require.Equal(t, []string{"1", "2"}, values(r.committed("out", 0, count(2))))
	<-ticks
	require.NoError(t, p.stop())
}
