package runtime

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/thalweg/thalweg/dsl"
	"github.com/thalweg/thalweg/state"
	"github.com/thalweg/thalweg/state/pebble"
)

// TestRestoreCutShort ends an application again and again while it restores a
// store that is larger than its share of the memory. What is on disk then is the
// changelog up to the stored position, from where the next one goes on.
func TestRestoreCutShort(t *testing.T) {
	const records, keys = 40_000, 25_000
	r := newRig(t, map[string]int32{"lines": 1})
	var rs []kv
	for i := range records {
		rs = append(rs, kv{fmt.Sprintf("key-%08d", i*7919%keys), fmt.Sprintf("value %0120d", i)})
	}
	r.produce("lines", 0, rs...)
	b := dsl.NewBuilder()
	b.Table(linesTopic, "names", dsl.Uncached())
	topo, err := b.Build()
	require.NoError(t, err)
	cfg := r.config("app")
	cfg.StateMemory, cfg.InstanceID = 16<<20, "one"
	p := r.start(topo, cfg)
	require.Eventually(t, func() bool { return p.Metrics().RecordsIn == records }, time.Minute, 5*time.Millisecond)
	require.NoError(t, p.stop())

	cfg.State = pebble.Dir(t.TempDir())
	rng := rand.New(rand.NewPCG(1, 2))
	var position int64
	var changelog []*kgo.Record
	for runs := 0; ; runs++ {
		until := position + rng.Int64N(records/2)
		started, ended := make(chan RestoreProgress, 1), make(chan RestoreProgress, 1)
		cfg.OnRestore = func(now RestoreProgress) {
			select {
			case started <- now:
			default:
			}
			if now.Done || now.Position >= until {
				select {
				case ended <- now:
				default:
				}
			}
		}
		p = r.start(topo, cfg)
		now := <-ended
		if !now.Done {
			p.crash()
		} else {
			require.NoError(t, p.stop())
		}
		if runs == 0 {
			changelog = r.committed(now.Changelog, 0, func(rs []*kgo.Record) bool { return len(rs) >= records })
		}
		require.Equal(t, max(0, position), (<-started).Start, "goes on where the last one ended")
		var rows map[string]string
		rows, position = restored(t, cfg.State)
		want := map[string]string{}
		for _, rec := range changelog {
			if rec.Offset < position {
				want[string(rec.Key)] = string(rec.Value)
			}
		}
		require.Equal(t, want, rows)
		if now.Done {
			require.Len(t, rows, keys)
			require.Positive(t, runs, "none was cut short")
			return
		}
	}
}

// restored reads the rows and the position of the only store-partition.
func restored(t *testing.T, b state.Backend) (rows map[string]string, position int64) {
	t.Helper()
	db, err := state.Open(b, state.Options{})
	require.NoError(t, err)
	defer db.Close()
	parts, err := db.Partitions()
	require.NoError(t, err)
	require.Len(t, parts, 1)
	view, ok, err := db.View(db.Engine(), parts[0].Store, parts[0].Partition)
	require.NoError(t, err)
	require.True(t, ok)
	rows = map[string]string{}
	it := view.Scan(nil, nil, false)
	for it.Next() {
		rows[string(it.Key())] = string(it.Value()[8:]) // behind the timestamp
	}
	require.NoError(t, it.Close())
	return rows, view.Position().Offset
}

// TestWipedStoreForgets: a store whose rows are of another changelog, and are
// dropped, has nothing of them in memory either.
func TestWipedStoreForgets(t *testing.T) {
	r := newRig(t, map[string]int32{"lines": 1, "out": 1})
	b := dsl.NewBuilder()
	b.Table(linesTopic, "names", dsl.Uncached()).Suppress(dsl.Every(time.Minute), dsl.Named("calm")).ToStream().To(outTopic)
	topo, err := b.Build()
	require.NoError(t, err)
	cfg := r.config("app")
	cfg.Workers, cfg.State = 1, new(disk)
	minute := func(m int64) func(int) int64 { return func(int) int64 { return versionsBegin + m*60_000 } }
	p := r.start(topo, cfg)
	r.produceAt("lines", minute(0), kv{"a", "1"})
	require.Eventually(t, func() bool { return p.Metrics().RecordsIn == 1 }, 20*time.Second, time.Millisecond)
	require.NoError(t, p.stop())

	for _, s := range topo.Stores {
		if s.Name != "names" {
			r.deleteTopic(s.Changelog("app"))
		}
	}
	p = r.start(topo, cfg)
	r.produceAt("lines", minute(2), kv{"b", "2"}) // would let a go
	r.produceAt("lines", minute(4), kv{"c", "3"}) // lets b go
	require.Equal(t, []string{"2"}, values(r.committed("out", 0, count(1))))
	require.NoError(t, p.stop())
}
