package dsl_test

import (
	"fmt"
	"iter"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thalweg/thalweg/dsl"
	"github.com/thalweg/thalweg/internal/cputime"
	"github.com/thalweg/thalweg/processor"
	"github.com/thalweg/thalweg/serde"
	"github.com/thalweg/thalweg/state"
	"github.com/thalweg/thalweg/state/mem"
	"github.com/thalweg/thalweg/topology"
	"github.com/thalweg/thalweg/windowing"
)

type stream = dsl.Stream[string, int64]

var others = topology.NewTopic("others", serde.String, serde.Int64)

func plus(a, n int64) int64               { return a + n }
func minus(a, n int64) int64              { return a - n }
func addKeyed(_ string, n, a int64) int64 { return a + n }
func zero() int64                         { return 0 }

func addMaybe(n int64, o dsl.Maybe[int64]) int64             { return n + o.Value }
func addMaybes(n dsl.Maybe[int64], o dsl.Maybe[int64]) int64 { return n.Value + o.Value }
func ownKey(k string, _ int64) string                        { return k }
func once(n int64) iter.Seq[int64]                           { return func(yield func(int64) bool) { yield(n) } }

func windows(t dsl.Table[windowing.Windowed[string], int64]) stream {
	return t.ToStream().SelectKey(windowing.Key)
}

// operatorBenchmarks are the families of operators. Where there are two inputs
// every other record is of the second one.
var operatorBenchmarks = []struct {
	name  string
	two   bool
	build func(b *dsl.Builder, s stream) stream
}{
	{"stateless/none", false, func(_ *dsl.Builder, s stream) stream { return s }},
	{"stateless/filter", false, func(_ *dsl.Builder, s stream) stream { return s.Filter(func(_ string, n int64) bool { return n > 0 }) }},
	{"stateless/map-values", false, func(_ *dsl.Builder, s stream) stream { return s.MapValues(func(n int64) int64 { return n + 1 }) }},
	{"stateless/map", false, func(_ *dsl.Builder, s stream) stream {
		return s.Map(func(k string, n int64) (string, int64) { return k, n + 1 })
	}},
	{"stateless/flat-map-values", false, func(_ *dsl.Builder, s stream) stream { return s.FlatMapValues(once) }},
	{"stateless/merge", true, func(b *dsl.Builder, s stream) stream { return s.Merge(b.Stream(others)) }},
	{"stateless/process", false, func(_ *dsl.Builder, s stream) stream {
		return s.ProcessFunc("p", func(_ *processor.Context, r processor.Record[string, int64], out *processor.Out[string, int64]) error {
			return out.Forward(r)
		})
	}},
	{"repartition", false, func(_ *dsl.Builder, s stream) stream { return s.Repartition("again") }},

	{"aggregate/count", false, func(_ *dsl.Builder, s stream) stream { return s.GroupByKey().Count("a", dsl.Uncached()).ToStream() }},
	{"aggregate/reduce", false, func(_ *dsl.Builder, s stream) stream {
		return s.GroupByKey().Reduce("a", plus, dsl.Uncached()).ToStream()
	}},
	{"aggregate/aggregate", false, func(_ *dsl.Builder, s stream) stream {
		return s.GroupByKey().Aggregate("a", zero, addKeyed, dsl.Uncached()).ToStream()
	}},
	{"aggregate/cogroup", true, func(b *dsl.Builder, s stream) stream {
		return s.GroupByKey().Cogroup(addKeyed).And(b.Stream(others).GroupByKey(), addKeyed).Aggregate("a", zero, dsl.Uncached()).ToStream()
	}},
	{"aggregate/table", false, func(b *dsl.Builder, s stream) stream {
		return s.ToTable("t", dsl.Uncached()).GroupBy(func(k string, n int64) (string, int64) { return k[:4], n }).
			Reduce("a", plus, minus, dsl.Uncached()).ToStream()
	}},

	{"window/tumbling", false, func(_ *dsl.Builder, s stream) stream {
		return windows(s.GroupByKey().WindowedBy(windowing.Tumbling(time.Minute)).Reduce("w", plus, dsl.Uncached()))
	}},
	{"window/hopping-of-four", false, func(_ *dsl.Builder, s stream) stream {
		return windows(s.GroupByKey().WindowedBy(windowing.Hopping(time.Minute, 15*time.Second)).Reduce("w", plus, dsl.Uncached()))
	}},
	{"window/sliding", false, func(_ *dsl.Builder, s stream) stream {
		return windows(s.GroupByKey().SlidingBy(windowing.SlidingOf(time.Second)).Reduce("w", plus, dsl.Uncached()))
	}},
	{"window/session", false, func(_ *dsl.Builder, s stream) stream {
		return windows(s.GroupByKey().SessionBy(windowing.Sessions(time.Second)).Reduce("w", plus, dsl.Uncached()))
	}},
	{"window/emit-on-close", false, func(_ *dsl.Builder, s stream) stream {
		return windows(s.GroupByKey().WindowedBy(windowing.Tumbling(time.Minute)).EmitOnClose().Reduce("w", plus))
	}},
	{"window/cogroup", true, func(b *dsl.Builder, s stream) stream {
		return windows(s.GroupByKey().Cogroup(addKeyed).And(b.Stream(others).GroupByKey(), addKeyed).
			WindowedBy(windowing.Tumbling(time.Minute)).Aggregate("w", zero, dsl.Uncached()))
	}},

	{"join/stream-stream", true, func(b *dsl.Builder, s stream) stream {
		return s.Join("j", b.Stream(others), windowing.Within(150*time.Millisecond).WithGrace(time.Second), plus)
	}},
	{"join/stream-stream-left", true, func(b *dsl.Builder, s stream) stream {
		return s.LeftJoin("j", b.Stream(others), windowing.Within(150*time.Millisecond).WithGrace(time.Second), addMaybe)
	}},
	{"join/stream-stream-outer", true, func(b *dsl.Builder, s stream) stream {
		return s.OuterJoin("j", b.Stream(others), windowing.Within(150*time.Millisecond).WithGrace(time.Second), addMaybes)
	}},
	{"join/stream-table", true, func(b *dsl.Builder, s stream) stream {
		return s.JoinTable(b.Table(others, "t", dsl.Uncached()), plus)
	}},
	{"join/stream-versioned-table", true, func(b *dsl.Builder, s stream) stream {
		return s.JoinTable(b.Table(others, "t", dsl.Versioned(time.Hour)), plus)
	}},
	{"join/stream-global-table", true, func(b *dsl.Builder, s stream) stream {
		return s.JoinGlobal(b.GlobalTable(others, "t"), ownKey, plus)
	}},
	{"join/table-table", true, func(b *dsl.Builder, s stream) stream {
		return s.ToTable("l", dsl.Uncached()).Join(b.Table(others, "r", dsl.Uncached()), plus).ToStream()
	}},
	{"join/foreign-key", true, func(b *dsl.Builder, s stream) stream {
		return s.ToTable("l", dsl.Uncached()).JoinOn("fk", b.Table(others, "r", dsl.Uncached()),
			func(k string, _ int64) (string, bool) { return k, true }, plus).ToStream()
	}},

	{"table/map-values", false, func(_ *dsl.Builder, s stream) stream {
		return s.ToTable("t", dsl.Uncached()).MapValues(func(n int64) int64 { return n + 1 }).ToStream()
	}},
	{"table/versioned", false, func(_ *dsl.Builder, s stream) stream { return s.ToTable("t", dsl.Versioned(time.Second)).ToStream() }},
	{"table/suppress", false, func(_ *dsl.Builder, s stream) stream {
		return s.ToTable("t", dsl.Uncached()).Suppress(dsl.Every(time.Second), dsl.Named("calm")).ToStream()
	}},
	{"table/final-only", false, func(_ *dsl.Builder, s stream) stream {
		return windows(dsl.FinalOnly(s.GroupByKey().WindowedBy(windowing.Tumbling(time.Second)).Reduce("w", plus, dsl.Uncached())))
	}},
}

// BenchmarkRecordThroughOperator takes a record of fixed-size types, with one of
// a hundred keys, from its source's bytes through one operator to its sink's
// bytes and its changelogs', through internal topics if there are any. Time goes
// on by a millisecond each, the state is in memory, nothing is cached, and a
// commit follows each thousand records.
func BenchmarkRecordThroughOperator(b *testing.B) {
	for _, op := range operatorBenchmarks {
		b.Run(op.name, func(b *testing.B) {
			builder := dsl.NewBuilder()
			op.build(builder, builder.Stream(numbers)).To(results)
			x := newLoop(b, builder)
			keys := make([][]byte, 100)
			for i := range keys {
				keys[i] = fmt.Appendf(nil, "key-%02d", i)
			}
			r := processor.RawRecord{Topic: "numbers", Value: bytesOf(serde.Int64, 7)}
			i := 0
			b.ReportAllocs()
			report := cputime.Report(b)
			for b.Loop() {
				r.Key = keys[i%len(keys)]
				if op.two {
					r.Key = keys[i/2%len(keys)]
					r.Topic = [2]string{"others", "numbers"}[i%2]
				}
				r.Timestamp++
				x.send(b, r)
				if i++; i%1000 == 0 {
					if err := x.txn.Commit(); err != nil {
						b.Fatal(err)
					}
				}
			}
			report()
			if i > 10_000 {
				require.Positive(b, x.sent, "results")
			}
		})
	}
}

// loop is one wired task whose internal topics lead back into it.
type loop struct {
	c     *processor.Context
	w     *topology.Wired
	txn   *state.Txn
	spare []*looped
	queue []*looped
	sent  int // to topics of the user
}

// looped is a record on its way back.
type looped struct {
	r          processor.RawRecord
	key, value []byte
}

func newLoop(tb testing.TB, b *dsl.Builder) *loop {
	tb.Helper()
	t, err := b.Build()
	require.NoError(tb, err)
	db, err := state.Open(mem.New(), state.Options{})
	require.NoError(tb, err)
	tb.Cleanup(func() { require.NoError(tb, db.Close()) })
	x := &loop{txn: db.NewTxn()}
	stores := map[string]state.Store{}
	x.c = processor.NewContext(processor.Env{Collector: x, Store: func(name string) any { return stores[name] }})
	for _, s := range t.Stores {
		env := state.Env{
			Record: func() state.Record {
				f := x.c.Frame()
				return state.Record{Topic: f.Topic, Partition: f.Partition, Offset: f.Offset, Timestamp: f.Timestamp}
			},
			Log: func(_, _ []byte, _ int64, _ processor.Headers) error { return nil },
		}
		env.Partition, err = x.txn.Open(s.Name, 0)
		require.NoError(tb, err)
		stores[s.Name], err = s.Handle.(state.Declared).Open(env)
		require.NoError(tb, err)
	}
	var subs []int
	for _, s := range t.SubTopologies() {
		subs = append(subs, s.ID)
	}
	x.w, err = t.Wire(x.c, subs...)
	require.NoError(tb, err)
	require.NoError(tb, x.w.Init(x.c))
	return x
}

func (x *loop) PartitionsOf(string) (int32, error) { return 1, nil }

func (x *loop) Send(topic string, _ int32, key, value []byte, ts int64, _ processor.Headers) error {
	if _, internal := x.w.Sources[topic]; !internal {
		x.sent++
		return nil
	}
	var l *looped
	if n := len(x.spare); n > 0 {
		l, x.spare = x.spare[n-1], x.spare[:n-1]
	} else {
		l = &looped{}
	}
	l.key, l.value = append(l.key[:0], key...), append(l.value[:0], value...)
	l.r = processor.RawRecord{Topic: topic, Timestamp: ts}
	if key != nil {
		l.r.Key = l.key
	}
	if value != nil {
		l.r.Value = l.value
	}
	x.queue = append(x.queue, l)
	return nil
}

// send takes a record, and all that comes back of it, through the task.
func (x *loop) send(tb testing.TB, r processor.RawRecord) {
	x.process(tb, r)
	for i := 0; i < len(x.queue); i++ {
		x.process(tb, x.queue[i].r)
	}
	x.spare = append(x.spare, x.queue...)
	x.queue = x.queue[:0]
}

func (x *loop) process(tb testing.TB, r processor.RawRecord) {
	n := x.w.Sources[r.Topic]
	ts, keep, err := n.Prepare(x.c, r, -1)
	if err != nil || !keep {
		tb.Fatal(keep, err)
	}
	f := x.c.Frame()
	f.Topic, f.Partition, f.Offset, f.Timestamp = r.Topic, r.Partition, r.Offset, ts
	f.StreamTime = max(f.StreamTime, ts)
	if err := n.Run(x.c); err != nil {
		tb.Fatal(err)
	}
}
