package runtime

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/thalweg/thalweg/dsl"
	"github.com/thalweg/thalweg/processor"
	"github.com/thalweg/thalweg/runtime/internal/commit"
)

// slowTask takes long for each record, on a clock of its own, and has a schedule.
type slowTask struct {
	turns *turns
	ticks *int
}

// turns is what the tasks of one worker did; it belongs to its goroutine.
type turns struct {
	clock   time.Time
	records [3]int  // of each partition
	ticks   [3]*int // calls of the schedule of each partition
	most    int     // how far two partitions were apart
	order   []int32 // the partitions that had a turn, one after the other
}

func (p *slowTask) Init(c *processor.Context, _ *processor.Out[string, string]) error {
	c.Schedule(time.Millisecond, processor.WallClock, func(int64) error {
		*p.ticks++
		return nil
	})
	return nil
}

func (p *slowTask) Process(c *processor.Context, r processor.Record[string, string], out *processor.Out[string, string]) error {
	t, part := p.turns, c.Partition()
	t.clock = t.clock.Add(10 * time.Millisecond)
	t.records[part]++
	t.ticks[part] = p.ticks
	if n := len(t.order); n == 0 || t.order[n-1] != part {
		t.order = append(t.order, part)
	}
	t.most = max(t.most, slices.Max(t.records[:])-slices.Min(t.records[:]))
	return out.Forward(r)
}

// TestTurns: where records take so long that a commit is due before all tasks of a
// worker had their turn, those that had none come first after it; and no schedule
// waits for records.
func TestTurns(t *testing.T) {
	const records = 400
	r := newRig(t, map[string]int32{"lines": 3, "out": 1})
	var rs []kv
	for i := range records {
		rs = append(rs, kv{"k", fmt.Sprint(i)})
	}
	for p := range int32(3) {
		r.produce("lines", p, rs...)
	}
	did := new(turns)
	b := dsl.NewBuilder()
	b.Stream(linesTopic).Process("slow", func() *slowTask { return &slowTask{did, new(int)} }).To(outTopic)
	topo, err := b.Build()
	require.NoError(t, err)
	cfg := r.config("app")
	cfg.Workers, cfg.CommitInterval = 1, 20*time.Millisecond
	p := r.startPrepared(topo, cfg, func(a *App) {
		a.Pause()
		a.hook = func(_ int, step commit.Step) {
			w := a.workers[0]
			if step != commit.Done {
				return
			}
			if a.Paused() {
				fetched := 0
				for _, s := range w.slots {
					if len(s.inputs) > 0 && s.inputs[0].cursor.Status().Position == records {
						fetched++
					}
				}
				if fetched == 3 {
					did.clock = w.clock()
					w.clock = func() time.Time { return did.clock }
					a.Resume()
				}
				return
			}
			if did.ticks[0] != nil && did.ticks[1] != nil && did.ticks[2] != nil && slices.Min(did.records[:]) < records {
				ticks := []int{*did.ticks[0], *did.ticks[1], *did.ticks[2]}
				assert.LessOrEqual(t, slices.Max(ticks)-slices.Min(ticks), 1, "%v calls of the schedules", ticks)
			}
		}
	})
	r.committed("out", 0, count(3*records))
	require.NoError(t, p.stop())
	require.Equal(t, [3]int{records, records, records}, did.records)
	require.LessOrEqual(t, did.most, slowCheck, "records by which a task was behind another")
	require.Greater(t, len(did.order), 3*records/slice, "turns were cut short")
}
