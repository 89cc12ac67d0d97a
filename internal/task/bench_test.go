package task_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thalweg/thalweg/dsl"
	"github.com/thalweg/thalweg/internal/task"
	"github.com/thalweg/thalweg/processor"
	"github.com/thalweg/thalweg/windowing"
)

// sink counts what a task sends.
type sink struct{ n, bytes int }

func (s *sink) Send(_ string, _ int32, key, value []byte, _ int64, _ processor.Headers) error {
	s.n++
	s.bytes += len(key) + len(value)
	return nil
}

func (s *sink) PartitionsOf(string) (int32, error) { return 1, nil }

// again is a batch that can be read again and again, later each time.
type again struct {
	records []task.Record
	at      int
	base    int64
	by      int64
}

func (b *again) Next(r *task.Record) (bool, error) {
	if b.at == len(b.records) {
		return false, nil
	}
	*r = b.records[b.at]
	r.Offset += b.base
	r.Timestamp += b.base * b.by
	b.at++
	return true, nil
}

func (b *again) End() int64 { return b.base + int64(len(b.records)) }
func (b *again) Release()   { b.base, b.at = b.End(), 0 }

var chains = []struct {
	name  string
	build func(b *dsl.Builder)
}{
	{"stateless", func(b *dsl.Builder) {
		b.Stream(in).
			Filter(func(_ string, v int64) bool { return v%10 != 0 }).
			MapValues(func(v int64) int64 { return v * 2 }).
			To(out)
	}},
	{"count", func(b *dsl.Builder) {
		b.Stream(in).GroupByKey().Count("counts").ToStream().To(out)
	}},
	{"windows", func(b *dsl.Builder) {
		b.Stream(in).GroupByKey().
			WindowedBy(windowing.Tumbling(time.Second).WithGrace(time.Second)).
			Count("windows").
			ToStream().
			SelectKey(windowing.Key).
			To(out)
	}},
}

func batch() *again {
	b := &again{by: 1}
	for i := range 1000 {
		b.records = append(b.records, rec(int64(i), int64(i), fmt.Sprintf("station-%02d", i%50), int64(i)))
	}
	return b
}

// step is what a worker does with a fetched batch: process, punctuate, commit.
func step(t testing.TB, tk *task.Task, b *again, offsets []task.Committed) []task.Committed {
	require.NoError(t, tk.Enqueue("in", b, 0))
	for {
		more, err := tk.Process(0)
		if err != nil {
			t.Fatal(err)
		}
		if !more {
			break
		}
		if _, err := tk.Punctuate(processor.StreamTime, 0); err != nil {
			t.Fatal(err)
		}
	}
	require.NoError(t, tk.Flush(0))
	offsets = tk.Offsets(offsets[:0])
	tk.Done()
	return offsets
}

func BenchmarkTaskStep1000(b *testing.B) {
	for _, c := range chains {
		b.Run(c.name, func(b *testing.B) {
			tk := newTask(b, build(b, c.build), &sink{}, nil)
			records := batch()
			offsets := step(b, tk, records, nil)
			b.ReportAllocs()
			for b.Loop() {
				offsets = step(b, tk, records, offsets)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/record")
		})
	}
}

// TestNoAllocationsPerRecord guards the hot path: what a step allocates does
// not depend on the number of its records.
func TestNoAllocationsPerRecord(t *testing.T) {
	for _, c := range chains {
		t.Run(c.name, func(t *testing.T) {
			tk := newTask(t, build(t, c.build), &sink{}, nil)
			records := batch()
			var offsets []task.Committed
			for range 5 {
				offsets = step(t, tk, records, offsets)
			}
			n := testing.AllocsPerRun(20, func() { offsets = step(t, tk, records, offsets) })
			t.Logf("%v allocations for a step of 1000 records", n)
			require.Less(t, n, 1000.0/2)
		})
	}
}
