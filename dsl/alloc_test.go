package dsl_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thalweg/thalweg/dsl"
	"github.com/thalweg/thalweg/processor"
	"github.com/thalweg/thalweg/serde"
	"github.com/thalweg/thalweg/state"
	"github.com/thalweg/thalweg/state/mem"
	"github.com/thalweg/thalweg/topology"
	"github.com/thalweg/thalweg/windowing"
)

// discard takes what a chain writes.
type discard struct{ sent int }

func (d *discard) Send(string, int32, []byte, []byte, int64, processor.Headers) error {
	d.sent++
	return nil
}

func (d *discard) PartitionsOf(string) (int32, error) { return 4, nil }

// chain is one wired task without a runtime around it.
type chain struct {
	c    *processor.Context
	out  *discard
	w    *topology.Wired
	rows map[string]state.Store
}

func newChain(tb testing.TB, b *dsl.Builder) *chain {
	tb.Helper()
	t, err := b.Build()
	require.NoError(tb, err)
	db, err := state.Open(mem.New(), state.Options{})
	require.NoError(tb, err)
	tb.Cleanup(func() { require.NoError(tb, db.Close()) })
	txn := db.NewTxn()
	x := &chain{out: &discard{}, rows: map[string]state.Store{}}
	x.c = processor.NewContext(processor.Env{
		Collector: x.out,
		Store:     func(name string) any { return x.rows[name] },
	})
	for _, s := range t.Stores {
		p, err := txn.Open(s.Name, 0)
		require.NoError(tb, err)
		x.rows[s.Name], err = s.Handle.(state.Declared).Open(state.Env{Partition: p, Record: func() state.Record { return state.Record{} }})
		require.NoError(tb, err)
	}
	x.w, err = t.Wire(x.c)
	require.NoError(tb, err)
	require.NoError(tb, x.w.Init(x.c))
	return x
}

func (x *chain) process(tb testing.TB, r processor.RawRecord) {
	n := x.w.Sources[r.Topic]
	ts, keep, err := n.Prepare(x.c, r, -1)
	if err != nil || !keep {
		tb.Fatal(keep, err)
	}
	f := x.c.Frame()
	f.Topic, f.Partition, f.Offset, f.Timestamp, f.Headers = r.Topic, r.Partition, r.Offset, ts, r.Headers
	f.StreamTime = max(f.StreamTime, ts)
	if err := n.Run(x.c); err != nil {
		tb.Fatal(err)
	}
}

func bytesOf[T any](s serde.Serde[T], v T) []byte {
	b, err := s.Append([]byte{}, v)
	if err != nil {
		panic(err)
	}
	return b
}

var (
	numbers = topology.NewTopic("numbers", serde.String, serde.Int64)
	results = topology.NewTopic("results", serde.String, serde.Int64)
)

func stateless() *dsl.Builder {
	b := dsl.NewBuilder()
	b.Stream(numbers).
		Filter(func(_ string, n int64) bool { return n > 0 }).
		MapValues(func(n int64) int64 { return n * 2 }).
		MapValues(func(n int64) int64 { return n + 1 }).
		SelectKey(func(k string, _ int64) string { return k }).
		To(results)
	return b
}

func windowed() *dsl.Builder {
	b := dsl.NewBuilder()
	b.Stream(numbers).
		GroupByKey().
		WindowedBy(windowing.Tumbling(time.Minute)).
		AggregateBy("sums", dsl.Sum(func(n int64) int64 { return n })).
		ToStream().
		SelectKey(windowing.Key).
		To(results)
	return b
}

func joined() *dsl.Builder {
	b := dsl.NewBuilder()
	t := b.Table(topology.NewTopic("rows", serde.String, serde.Int64), "rows")
	b.Stream(numbers).
		LeftJoinTable(t, func(n int64, row dsl.Maybe[int64]) int64 { return n + row.Value }).
		To(results)
	return b
}

// TestNoAllocations holds the way of a record from its source's bytes to its
// sink's to no allocations, for fixed-size values and keys seen before.
func TestNoAllocations(t *testing.T) {
	for name, build := range map[string]func() *dsl.Builder{
		"stateless": stateless, "windowed aggregate": windowed, "table join": joined,
	} {
		t.Run(name, func(t *testing.T) {
			x := newChain(t, build())
			r := processor.RawRecord{Topic: "numbers", Timestamp: 1000, Key: bytesOf(serde.String, "key"), Value: bytesOf(serde.Int64, 7)}
			for range 10 {
				x.process(t, r)
			}
			before := x.out.sent
			require.Zero(t, testing.AllocsPerRun(1000, func() { x.process(t, r) }))
			require.Greater(t, x.out.sent, before)
		})
	}
}

func benchmark(b *testing.B, build func() *dsl.Builder) {
	x := newChain(b, build())
	r := processor.RawRecord{Topic: "numbers", Timestamp: 1000, Key: bytesOf(serde.String, "key"), Value: bytesOf(serde.Int64, 7)}
	b.ReportAllocs()
	for b.Loop() {
		x.process(b, r)
	}
}

func BenchmarkRecordThroughStatelessChain(b *testing.B)    { benchmark(b, stateless) }
func BenchmarkRecordThroughWindowedAggregate(b *testing.B) { benchmark(b, windowed) }
func BenchmarkRecordThroughTableJoin(b *testing.B)         { benchmark(b, joined) }
