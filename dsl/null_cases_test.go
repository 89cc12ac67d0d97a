package dsl_test

import (
	"context"
	"io"
	"iter"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thalweg/thalweg/dsl"
	"github.com/thalweg/thalweg/processor"
	"github.com/thalweg/thalweg/windowing"
)

// nullCase is an operator of streams, or of what is made of them.
type nullCase[T any] struct {
	op    string // a method
	write func(x *nullTest[T], s dsl.Stream[T, T]) dsl.Stream[T, T]
}

// nullFree are methods that take no records, or whose function sees none with a
// null: those of tables are called for rows.
const nullFree = "Table.Store Table.ToStream"

func nullCases[T any]() []nullCase[T] {
	type (
		test   = *nullTest[T]
		stream = dsl.Stream[T, T]
		table  = dsl.Table[T, T]
		record = processor.Record[T, T]
		window = windowing.Windowed[T]
		maybe  = dsl.Maybe[T]
	)
	var cases []nullCase[T]
	add := func(op string, write func(x test, s stream) stream) {
		cases = append(cases, nullCase[T]{op, write})
	}
	keep := func(x test) func(k, v T) bool { return func(k, v T) bool { x.see(k, v); return true } }
	drop := func(x test) func(k, v T) bool { return func(k, v T) bool { x.see(k, v); return false } }
	value := func(x test) func(k, v T) T { return func(k, v T) T { x.see(k, v); return x.of(x.show(v) + "+") } }
	one := func(v T) iter.Seq[T] { return func(yield func(T) bool) { yield(v) } }
	pair := func(k, v T) iter.Seq2[T, T] { return func(yield func(T, T) bool) { yield(k, v) } }

	add("Stream.Filter", func(x test, s stream) stream { return s.Filter(keep(x)) })
	add("Stream.FilterNot", func(x test, s stream) stream { return s.FilterNot(drop(x)) })
	add("Stream.TryFilter", func(x test, s stream) stream {
		return s.TryFilter(func(_ *processor.Context, r record) (bool, error) { x.see(r.Key, r.Value); return true, nil })
	})
	add("Stream.Peek", func(x test, s stream) stream { return s.Peek(func(k, v T) { x.see(k, v) }) })
	add("Stream.TryPeek", func(x test, s stream) stream {
		return s.TryPeek(func(_ *processor.Context, r record) error { x.see(r.Key, r.Value); return nil })
	})
	add("Stream.ForEach", func(x test, s stream) stream { s.ForEach(func(k, v T) { x.see(k, v) }); return s })
	add("Stream.TryForEach", func(x test, s stream) stream {
		s.TryForEach(func(_ *processor.Context, r record) error { x.see(r.Key, r.Value); return nil })
		return s
	})
	add("Stream.Print", func(x test, s stream) stream { s.Print(io.Discard, ""); return s })
	add("Stream.Split", func(x test, s stream) stream { c := s.Split(); c.Case("no", drop(x)); return c.Default("rest") })
	add("Cases.Case", func(x test, s stream) stream { return s.Split().Case("yes", keep(x)) })
	add("Cases.Default", func(x test, s stream) stream { return s.Split().Default("rest") })
	add("Stream.Merge", func(x test, s stream) stream { return s.Merge(x.b.Stream(x.topic("rows"))) })
	add("Stream.To", func(x test, s stream) stream { s.To(x.topic("copy")); return s })
	add("Stream.ToFunc", func(x test, s stream) stream {
		s.ToFunc(x.topic(""), func(_ *processor.Context, r record) (string, error) { x.see(r.Key, r.Value); return "out", nil })
		return s.Filter(func(T, T) bool { return false })
	})

	add("Stream.Map", func(x test, s stream) stream {
		return s.Map(func(k, v T) (T, T) { x.see(k, v); return x.of(x.show(k) + "!"), x.of(x.show(v) + "+") })
	})
	add("Stream.TryMap", func(x test, s stream) stream {
		return s.TryMap(func(_ *processor.Context, r record) (T, T, error) {
			x.see(r.Key, r.Value)
			return x.of(x.show(r.Key) + "!"), x.of(x.show(r.Value) + "+"), nil
		})
	})
	add("Stream.FlatMap", func(x test, s stream) stream {
		return s.FlatMap(func(k, v T) iter.Seq2[T, T] { x.see(k, v); return pair(x.of(x.show(k)+"!"), x.of(x.show(v)+"+")) })
	})
	add("Stream.TryFlatMap", func(x test, s stream) stream {
		return s.TryFlatMap(func(_ *processor.Context, r record) (iter.Seq2[T, T], error) {
			x.see(r.Key, r.Value)
			return pair(x.of(x.show(r.Key)+"!"), x.of(x.show(r.Value)+"+")), nil
		})
	})
	add("Stream.SelectKey", func(x test, s stream) stream {
		return s.SelectKey(func(k, v T) T { x.see(k, v); return x.of(x.show(k) + "!") })
	})

	add("Stream.MapValues", func(x test, s stream) stream { return s.MapValues(x.plus) })
	add("Stream.MapValuesWithKey", func(x test, s stream) stream { return s.MapValuesWithKey(value(x)) })
	add("Stream.TryMapValues", func(x test, s stream) stream {
		return s.TryMapValues(func(_ *processor.Context, r record) (T, error) { return value(x)(r.Key, r.Value), nil })
	})
	add("Stream.TryMapValuesAsync", func(x test, s stream) stream {
		return s.TryMapValuesAsync(1, func(_ context.Context, r record) (T, error) { return value(x)(r.Key, r.Value), nil })
	})
	add("Stream.FlatMapValues", func(x test, s stream) stream {
		return s.FlatMapValues(func(v T) iter.Seq[T] { return one(x.plus(v)) })
	})
	add("Stream.FlatMapValuesWithKey", func(x test, s stream) stream {
		return s.FlatMapValuesWithKey(func(k, v T) iter.Seq[T] { return one(value(x)(k, v)) })
	})
	add("Stream.TryFlatMapValues", func(x test, s stream) stream {
		return s.TryFlatMapValues(func(_ *processor.Context, r record) (iter.Seq[T], error) { return one(value(x)(r.Key, r.Value)), nil })
	})

	process := func(x test) func(_ *processor.Context, r record, out *processor.Out[T, T]) error {
		return func(_ *processor.Context, r record, out *processor.Out[T, T]) error {
			x.see(r.Key, r.Value)
			return out.Forward(r)
		}
	}
	add("Stream.Process", func(x test, s stream) stream {
		return s.Process("p", func() processor.Func[T, T, T, T] { return process(x) })
	})
	add("Stream.ProcessFunc", func(x test, s stream) stream { return s.ProcessFunc("p", process(x)) })
	processValues := func(x test) func(_ *processor.Context, r record, out *processor.ValueOut[T]) error {
		return func(_ *processor.Context, r record, out *processor.ValueOut[T]) error {
			x.see(r.Key, r.Value)
			if r.NullValue {
				return out.ForwardNull()
			}
			return out.Forward(r.Value)
		}
	}
	add("Stream.ProcessValues", func(x test, s stream) stream {
		return s.ProcessValues("p", func() processor.ValueFunc[T, T, T] { return processValues(x) })
	})
	add("Stream.ProcessValuesFunc", func(x test, s stream) stream { return s.ProcessValuesFunc("p", processValues(x)) })

	add("Stream.Repartition", func(x test, s stream) stream { return s.Repartition("r") })
	add("Stream.GroupBy", func(x test, s stream) stream {
		return s.GroupBy(func(k, v T) T { x.see(k, v); return x.of(x.show(k) + "!") }).Reduce("r", func(a, v T) T { return v }).ToStream()
	})
	add("Stream.ToTable", func(x test, s stream) stream { return s.ToTable("t").ToStream() })

	count := func(x test, t dsl.Table[T, int64]) stream {
		return t.ToStream().MapValues(func(n int64) T { return x.of(strings.Repeat("|", int(n))) })
	}
	zero := func(x test) func() T { return func() T { return x.of("0") } }
	fold := func(x test) func(k, v, a T) T {
		return func(k, v, a T) T { x.see(k, v); return x.of(x.show(a) + x.show(v)) }
	}
	tryFold := func(x test) func(_ *processor.Context, r record, a T) (T, error) {
		return func(_ *processor.Context, r record, a T) (T, error) { return fold(x)(r.Key, r.Value, a), nil }
	}
	reduce := func(x test) func(a, v T) T { return func(a, v T) T { x.see(v); return x.of(x.show(a) + x.show(v)) } }
	merge := func(x test) func(k, a, b T) T { return func(_, a, _ T) T { return a } }
	by := func(x test) byText[T] { return byText[T]{x} }
	bare := func(x test, t dsl.Table[window, T]) stream {
		return t.ToStream().SelectKey(func(w window, _ T) T { return w.Key })
	}
	add("Stream.GroupByKey", func(x test, s stream) stream { return s.GroupByKey().Reduce("r", reduce(x)).ToStream() })
	add("Grouped.Count", func(x test, s stream) stream { return count(x, s.GroupByKey().Count("c")) })
	add("Grouped.Reduce", func(x test, s stream) stream { return s.GroupByKey().Reduce("r", reduce(x)).ToStream() })
	add("Grouped.TryReduce", func(x test, s stream) stream { return s.GroupByKey().TryReduce("r", tryFold(x)).ToStream() })
	add("Grouped.Aggregate", func(x test, s stream) stream {
		return s.GroupByKey().Aggregate("a", zero(x), fold(x)).ToStream()
	})
	add("Grouped.TryAggregate", func(x test, s stream) stream {
		return s.GroupByKey().TryAggregate("a", zero(x), tryFold(x)).ToStream()
	})
	add("Grouped.AggregateBy", func(x test, s stream) stream { return s.GroupByKey().AggregateBy("a", by(x)).ToStream() })
	add("Grouped.Cogroup", func(x test, s stream) stream {
		return s.GroupByKey().Cogroup(fold(x)).Aggregate("a", zero(x)).ToStream()
	})
	add("Grouped.TryCogroup", func(x test, s stream) stream {
		return s.GroupByKey().TryCogroup(tryFold(x)).Aggregate("a", zero(x)).ToStream()
	})
	add("Cogrouped.Aggregate", func(x test, s stream) stream {
		return s.GroupByKey().Cogroup(fold(x)).Aggregate("a", zero(x)).ToStream()
	})
	other := func(x test) dsl.Grouped[T, T] { return x.b.Stream(x.topic("other")).GroupByKey() }
	add("Cogrouped.And", func(x test, s stream) stream {
		return other(x).Cogroup(fold(x)).And(s.GroupByKey(), fold(x)).Aggregate("a", zero(x)).ToStream()
	})
	add("Cogrouped.TryAnd", func(x test, s stream) stream {
		return other(x).Cogroup(fold(x)).TryAnd(s.GroupByKey(), tryFold(x)).Aggregate("a", zero(x)).ToStream()
	})

	hour := windowing.Tumbling(time.Hour)
	timed := func(s stream) dsl.TimeWindowed[T, T] { return s.GroupByKey().WindowedBy(hour) }
	plainCount := func(x test, t dsl.Table[window, int64]) stream {
		return t.ToStream().Map(func(w window, n int64) (T, T) { return w.Key, x.of(strings.Repeat("|", int(n))) })
	}
	add("Grouped.WindowedBy", func(x test, s stream) stream { return bare(x, timed(s).Aggregate("a", zero(x), fold(x))) })
	add("TimeWindowed.Count", func(x test, s stream) stream { return plainCount(x, timed(s).Count("c")) })
	add("TimeWindowed.Reduce", func(x test, s stream) stream { return bare(x, timed(s).Reduce("r", reduce(x))) })
	add("TimeWindowed.TryReduce", func(x test, s stream) stream { return bare(x, timed(s).TryReduce("r", tryFold(x))) })
	add("TimeWindowed.Aggregate", func(x test, s stream) stream { return bare(x, timed(s).Aggregate("a", zero(x), fold(x))) })
	add("TimeWindowed.TryAggregate", func(x test, s stream) stream { return bare(x, timed(s).TryAggregate("a", zero(x), tryFold(x))) })
	add("TimeWindowed.AggregateBy", func(x test, s stream) stream { return bare(x, timed(s).AggregateBy("a", by(x))) })
	add("TimeWindowed.EmitOnClose", func(x test, s stream) stream {
		return bare(x, timed(s).EmitOnClose().Aggregate("a", zero(x), fold(x)))
	})
	add("TimeWindowed.IdleAfter", func(x test, s stream) stream {
		return bare(x, timed(s).IdleAfter(time.Hour).Aggregate("a", zero(x), fold(x)))
	})
	add("TimeWindowed.OnLate", func(x test, s stream) stream {
		late := func(_ *processor.Context, r record, _, _ int64) { x.see(r.Key, r.Value) }
		return bare(x, timed(s).OnLate(late).Aggregate("a", zero(x), fold(x)))
	})
	sliding := func(s stream) dsl.SlidingWindowed[T, T] {
		return s.GroupByKey().SlidingBy(windowing.SlidingOf(time.Millisecond))
	}
	add("Grouped.SlidingBy", func(x test, s stream) stream { return bare(x, sliding(s).Aggregate("a", zero(x), fold(x))) })
	add("SlidingWindowed.Count", func(x test, s stream) stream { return plainCount(x, sliding(s).Count("c")) })
	add("SlidingWindowed.Reduce", func(x test, s stream) stream { return bare(x, sliding(s).Reduce("r", reduce(x))) })
	add("SlidingWindowed.TryReduce", func(x test, s stream) stream { return bare(x, sliding(s).TryReduce("r", tryFold(x))) })
	add("SlidingWindowed.Aggregate", func(x test, s stream) stream { return bare(x, sliding(s).Aggregate("a", zero(x), fold(x))) })
	add("SlidingWindowed.TryAggregate", func(x test, s stream) stream {
		return bare(x, sliding(s).TryAggregate("a", zero(x), tryFold(x)))
	})
	add("SlidingWindowed.AggregateBy", func(x test, s stream) stream { return bare(x, sliding(s).AggregateBy("a", by(x))) })
	add("SlidingWindowed.EmitOnClose", func(x test, s stream) stream {
		return bare(x, sliding(s).EmitOnClose().Aggregate("a", zero(x), fold(x)))
	})
	add("SlidingWindowed.IdleAfter", func(x test, s stream) stream {
		return bare(x, sliding(s).IdleAfter(time.Hour).Aggregate("a", zero(x), fold(x)))
	})
	add("SlidingWindowed.OnLate", func(x test, s stream) stream {
		late := func(_ *processor.Context, r record, _, _ int64) { x.see(r.Key, r.Value) }
		return bare(x, sliding(s).OnLate(late).Aggregate("a", zero(x), fold(x)))
	})
	session := func(s stream) dsl.SessionWindowed[T, T] {
		return s.GroupByKey().SessionBy(windowing.Sessions(time.Second))
	}
	add("Grouped.SessionBy", func(x test, s stream) stream { return bare(x, session(s).Aggregate("a", zero(x), fold(x), merge(x))) })
	add("SessionWindowed.Count", func(x test, s stream) stream { return plainCount(x, session(s).Count("c")) })
	add("SessionWindowed.Reduce", func(x test, s stream) stream { return bare(x, session(s).Reduce("r", reduce(x))) })
	add("SessionWindowed.TryReduce", func(x test, s stream) stream { return bare(x, session(s).TryReduce("r", tryFold(x))) })
	add("SessionWindowed.Aggregate", func(x test, s stream) stream {
		return bare(x, session(s).Aggregate("a", zero(x), fold(x), merge(x)))
	})
	add("SessionWindowed.TryAggregate", func(x test, s stream) stream {
		return bare(x, session(s).TryAggregate("a", zero(x), tryFold(x), merge(x)))
	})
	add("SessionWindowed.AggregateBy", func(x test, s stream) stream { return bare(x, session(s).AggregateBy("a", by(x))) })
	add("SessionWindowed.EmitOnClose", func(x test, s stream) stream {
		return bare(x, session(s).EmitOnClose().Aggregate("a", zero(x), fold(x), merge(x)))
	})
	add("SessionWindowed.IdleAfter", func(x test, s stream) stream {
		return bare(x, session(s).IdleAfter(time.Hour).Aggregate("a", zero(x), fold(x), merge(x)))
	})
	add("SessionWindowed.OnLate", func(x test, s stream) stream {
		late := func(_ *processor.Context, r record, _, _ int64) { x.see(r.Key, r.Value) }
		return bare(x, session(s).OnLate(late).Aggregate("a", zero(x), fold(x), merge(x)))
	})
	co := func(x test, s stream) dsl.Cogrouped[T, T] { return s.GroupByKey().Cogroup(fold(x)) }
	add("Cogrouped.WindowedBy", func(x test, s stream) stream { return bare(x, co(x, s).WindowedBy(hour).Aggregate("a", zero(x))) })
	add("TimeCogrouped.Aggregate", func(x test, s stream) stream { return bare(x, co(x, s).WindowedBy(hour).Aggregate("a", zero(x))) })
	add("Cogrouped.SlidingBy", func(x test, s stream) stream {
		return bare(x, co(x, s).SlidingBy(windowing.SlidingOf(time.Millisecond)).Aggregate("a", zero(x)))
	})
	add("SlidingCogrouped.Aggregate", func(x test, s stream) stream {
		return bare(x, co(x, s).SlidingBy(windowing.SlidingOf(time.Millisecond)).Aggregate("a", zero(x)))
	})
	add("Cogrouped.SessionBy", func(x test, s stream) stream {
		return bare(x, co(x, s).SessionBy(windowing.Sessions(time.Second)).Aggregate("a", zero(x), merge(x)))
	})
	add("SessionCogrouped.Aggregate", func(x test, s stream) stream {
		return bare(x, co(x, s).SessionBy(windowing.Sessions(time.Second)).Aggregate("a", zero(x), merge(x)))
	})

	both := func(x test) func(l, r T) T { return func(l, r T) T { x.see(l, r); return x.of(x.show(l) + x.show(r)) } }
	keyed := func(x test) func(k, l, r T) T { return func(_, l, r T) T { return both(x)(l, r) } }
	left := func(x test) func(l T, r maybe) T { return func(l T, r maybe) T { return both(x)(l, r.Value) } }
	leftKeyed := func(x test) func(k, l T, r maybe) T { return func(_, l T, r maybe) T { return both(x)(l, r.Value) } }
	outer := func(x test) func(l, r maybe) T { return func(l, r maybe) T { return both(x)(l.Value, r.Value) } }
	outerKeyed := func(x test) func(k T, l, r maybe) T {
		return func(_ T, l, r maybe) T { return both(x)(l.Value, r.Value) }
	}

	near := windowing.Within(time.Hour)
	stream2 := func(x test) stream { return x.b.Stream(x.topic("rows")) }
	add("Stream.Join", func(x test, s stream) stream { return s.Join("j", stream2(x), near, both(x)) })
	add("Stream.JoinWithKey", func(x test, s stream) stream { return s.JoinWithKey("j", stream2(x), near, keyed(x)) })
	add("Stream.TryJoin", func(x test, s stream) stream {
		return s.TryJoin("j", stream2(x), near, func(_ *processor.Context, _ T, l, r T) (T, error) { return both(x)(l, r), nil })
	})
	add("Stream.LeftJoin", func(x test, s stream) stream { return s.LeftJoin("j", stream2(x), near, left(x)) })
	add("Stream.LeftJoinWithKey", func(x test, s stream) stream { return s.LeftJoinWithKey("j", stream2(x), near, leftKeyed(x)) })
	add("Stream.TryLeftJoin", func(x test, s stream) stream {
		return s.TryLeftJoin("j", stream2(x), near, func(_ *processor.Context, _ T, l T, r maybe) (T, error) { return both(x)(l, r.Value), nil })
	})
	add("Stream.OuterJoin", func(x test, s stream) stream { return s.OuterJoin("j", stream2(x), near, outer(x)) })
	add("Stream.OuterJoinWithKey", func(x test, s stream) stream { return s.OuterJoinWithKey("j", stream2(x), near, outerKeyed(x)) })
	add("Stream.TryOuterJoin", func(x test, s stream) stream {
		return s.TryOuterJoin("j", stream2(x), near, func(_ *processor.Context, _ T, l, r maybe) (T, error) { return both(x)(l.Value, r.Value), nil })
	})

	add("Stream.JoinTable", func(x test, s stream) stream { return s.JoinTable(x.rows(), both(x)) })
	add("Stream.JoinTableWithKey", func(x test, s stream) stream { return s.JoinTableWithKey(x.rows(), keyed(x)) })
	add("Stream.TryJoinTable", func(x test, s stream) stream {
		return s.TryJoinTable(x.rows(), func(_ *processor.Context, r record, o T) (T, error) { return both(x)(r.Value, o), nil })
	})
	add("Stream.LeftJoinTable", func(x test, s stream) stream { return s.LeftJoinTable(x.rows(), left(x)) })
	add("Stream.LeftJoinTableWithKey", func(x test, s stream) stream { return s.LeftJoinTableWithKey(x.rows(), leftKeyed(x)) })
	add("Stream.TryLeftJoinTable", func(x test, s stream) stream {
		return s.TryLeftJoinTable(x.rows(), func(_ *processor.Context, r record, o maybe) (T, error) { return both(x)(r.Value, o.Value), nil })
	})

	global := func(x test) dsl.GlobalTable[T, T] { return x.b.GlobalTable(x.topic("rows"), "rows") }
	its := func(x test) func(k, v T) T { return func(k, v T) T { x.see(k, v); return k } }
	add("Stream.JoinGlobal", func(x test, s stream) stream { return s.JoinGlobal(global(x), its(x), both(x)) })
	add("Stream.JoinGlobalWithKey", func(x test, s stream) stream { return s.JoinGlobalWithKey(global(x), its(x), keyed(x)) })
	add("Stream.JoinGlobalWithKeys", func(x test, s stream) stream {
		return s.JoinGlobalWithKeys(global(x), its(x), func(_, _, l, r T) T { return both(x)(l, r) })
	})
	add("Stream.TryJoinGlobal", func(x test, s stream) stream {
		return s.TryJoinGlobal(global(x), its(x), func(_ *processor.Context, r record, o T) (T, error) { return both(x)(r.Value, o), nil })
	})
	add("Stream.TryJoinGlobalWithKeys", func(x test, s stream) stream {
		return s.TryJoinGlobalWithKeys(global(x), its(x), func(_ *processor.Context, r record, _ T, o T) (T, error) { return both(x)(r.Value, o), nil })
	})
	add("Stream.LeftJoinGlobal", func(x test, s stream) stream { return s.LeftJoinGlobal(global(x), its(x), left(x)) })
	add("Stream.LeftJoinGlobalWithKey", func(x test, s stream) stream { return s.LeftJoinGlobalWithKey(global(x), its(x), leftKeyed(x)) })
	add("Stream.LeftJoinGlobalWithKeys", func(x test, s stream) stream {
		return s.LeftJoinGlobalWithKeys(global(x), its(x), func(_, _, l T, r maybe) T { return both(x)(l, r.Value) })
	})
	add("Stream.TryLeftJoinGlobal", func(x test, s stream) stream {
		return s.TryLeftJoinGlobal(global(x), its(x), func(_ *processor.Context, r record, o maybe) (T, error) { return both(x)(r.Value, o.Value), nil })
	})
	add("Stream.TryLeftJoinGlobalWithKeys", func(x test, s stream) stream {
		return s.TryLeftJoinGlobalWithKeys(global(x), its(x), func(_ *processor.Context, r record, _ T, o maybe) (T, error) {
			return both(x)(r.Value, o.Value), nil
		})
	})

	addTable := func(op string, write func(x test, t table) table) {
		add(op, func(x test, s stream) stream { return write(x, s.ToTable("t")).ToStream() })
	}
	addTable("Table.Filter", func(x test, t table) table { return t.Filter(keep(x)) })
	addTable("Table.FilterNot", func(x test, t table) table { return t.FilterNot(drop(x)) })
	addTable("Table.MapValues", func(x test, t table) table { return t.MapValues(x.plus) })
	addTable("Table.MapValuesWithKey", func(x test, t table) table { return t.MapValuesWithKey(value(x)) })
	addTable("Table.TryMapValues", func(x test, t table) table {
		return t.TryMapValues(func(k, v T) (T, error) { return value(x)(k, v), nil })
	})
	addTable("Table.TransformValues", func(x test, t table) table {
		return t.TransformValues("v", func() transformText[T] { return transformText[T]{x} })
	})
	addTable("Table.Suppress", func(x test, t table) table { return t.Suppress(dsl.Every(0)) })
	addTable("Table.Join", func(x test, t table) table { return t.Join(x.rows(), both(x)) })
	addTable("Table.JoinWithKey", func(x test, t table) table { return t.JoinWithKey(x.rows(), keyed(x)) })
	addTable("Table.TryJoin", func(x test, t table) table {
		return t.TryJoin(x.rows(), func(_ *processor.Context, _ T, l, r T) (T, error) { return both(x)(l, r), nil })
	})
	addTable("Table.LeftJoin", func(x test, t table) table { return t.LeftJoin(x.rows(), left(x)) })
	addTable("Table.LeftJoinWithKey", func(x test, t table) table { return t.LeftJoinWithKey(x.rows(), leftKeyed(x)) })
	addTable("Table.TryLeftJoin", func(x test, t table) table {
		return t.TryLeftJoin(x.rows(), func(_ *processor.Context, _ T, l T, r maybe) (T, error) { return both(x)(l, r.Value), nil })
	})
	addTable("Table.OuterJoin", func(x test, t table) table { return t.OuterJoin(x.rows(), outer(x)) })
	addTable("Table.OuterJoinWithKey", func(x test, t table) table { return t.OuterJoinWithKey(x.rows(), outerKeyed(x)) })
	addTable("Table.TryOuterJoin", func(x test, t table) table {
		return t.TryOuterJoin(x.rows(), func(_ *processor.Context, _ T, l, r maybe) (T, error) { return both(x)(l.Value, r.Value), nil })
	})
	fk := func(x test) func(k, v T) (T, bool) { return func(k, _ T) (T, bool) { return k, true } }
	addTable("Table.JoinOn", func(x test, t table) table { return t.JoinOn("fk", x.rows(), fk(x), both(x)) })
	addTable("Table.TryJoinOn", func(x test, t table) table {
		return t.TryJoinOn("fk", x.rows(), fk(x), func(_ *processor.Context, _ T, l, r T) (T, error) { return both(x)(l, r), nil })
	})
	addTable("Table.LeftJoinOn", func(x test, t table) table { return t.LeftJoinOn("fk", x.rows(), fk(x), left(x)) })
	addTable("Table.TryLeftJoinOn", func(x test, t table) table {
		return t.TryLeftJoinOn("fk", x.rows(), fk(x), func(_ *processor.Context, _ T, l T, r maybe) (T, error) { return both(x)(l, r.Value), nil })
	})
	grouped := func(x test, t table) dsl.GroupedTable[T, T] {
		return t.GroupBy(func(k, v T) (T, T) { x.see(k, v); return k, v })
	}
	minus := func(x test) func(k, v, a T) T {
		return func(_, v, a T) T { return x.of(strings.TrimSuffix(x.show(a), x.show(v))) }
	}
	addTable("Table.GroupBy", func(x test, t table) table { return grouped(x, t).Aggregate("g", zero(x), fold(x), minus(x)) })
	addTable("GroupedTable.Aggregate", func(x test, t table) table { return grouped(x, t).Aggregate("g", zero(x), fold(x), minus(x)) })
	addTable("GroupedTable.AggregateBy", func(x test, t table) table { return grouped(x, t).AggregateBy("g", by(x)) })
	addTable("GroupedTable.TryAggregate", func(x test, t table) table {
		return grouped(x, t).TryAggregate("g", zero(x), tryFold(x), func(_ *processor.Context, r record, a T) (T, error) {
			return minus(x)(r.Key, r.Value, a), nil
		})
	})
	addTable("GroupedTable.Reduce", func(x test, t table) table {
		return grouped(x, t).Reduce("g", reduce(x), func(a, v T) T { return minus(x)(v, v, a) })
	})
	addTable("GroupedTable.TryReduce", func(x test, t table) table {
		return grouped(x, t).TryReduce("g", tryFold(x), func(_ *processor.Context, r record, a T) (T, error) {
			return minus(x)(r.Key, r.Value, a), nil
		})
	})
	add("GroupedTable.Count", func(x test, s stream) stream { return count(x, grouped(x, s.ToTable("t")).Count("g")) })
	return cases
}

// byText is an aggregator of texts.
type byText[T any] struct{ x *nullTest[T] }

func (a byText[T]) Zero() T         { return a.x.of("0") }
func (a byText[T]) Add(s, v T) T    { a.x.see(v); return a.x.of(a.x.show(s) + a.x.show(v)) }
func (a byText[T]) Merge(s, _ T) T  { return s }
func (a byText[T]) Remove(s, v T) T { return a.x.of(strings.TrimSuffix(a.x.show(s), a.x.show(v))) }

// transformText adds a sign to rows.
type transformText[T any] struct{ x *nullTest[T] }

func (t transformText[T]) Transform(_ *processor.Context, k T, v dsl.Maybe[T]) (dsl.Maybe[T], error) {
	t.x.see(k, v.Value)
	if v.OK {
		v.Value = t.x.of(t.x.show(v.Value) + "+")
	}
	return v, nil
}

// nullWant is what functions see | what comes out | what is dropped.
type nullWant struct{ ops, plain, nullable string }

var nullWants = []nullWant{
	{
		ops: `Stream.Filter Stream.FilterNot Stream.TryFilter Stream.Peek Stream.TryPeek Stream.ForEach
			Stream.TryForEach Stream.Split Cases.Case Stream.ToFunc Stream.Process Stream.ProcessFunc
			Stream.ProcessValues Stream.ProcessValuesFunc`,
		plain:    "a:x a: :x : | a=x a=null null=x null=null | ",
		nullable: "a:x a:null null:x null:null | a=x a=null null=x null=null | ",
	},
	{
		ops:      "Stream.Print Cases.Default Stream.To",
		plain:    " | a=x a=null null=x null=null | ",
		nullable: " | a=x a=null null=x null=null | ",
	},
	{
		ops:      "Stream.Merge",
		plain:    " | a=r a=x a=null null=x null=null | ",
		nullable: " | a=r a=x a=null null=x null=null | ",
	},
	{
		ops:      "Stream.Map Stream.TryMap Stream.FlatMap Stream.TryFlatMap",
		plain:    "a:x a: :x : | a!=x+ a!=null !=x+ !=null | ",
		nullable: "a:x a:null null:x null:null | a!=x+ a!=null+ null!=x+ null!=null+ | ",
	},
	{
		ops:      "Stream.SelectKey",
		plain:    "a:x a: :x : | a!=x a!=null !=x !=null | ",
		nullable: "a:x a:null null:x null:null | a!=x a!=null null!=x null!=null | ",
	},
	{
		ops:      "Stream.MapValues Stream.FlatMapValues",
		plain:    "x x | a=x+ a=null null=x+ null=null | ",
		nullable: "x null x null | a=x+ a=null+ null=x+ null=null+ | ",
	},
	{
		ops: `Stream.MapValuesWithKey Stream.TryMapValues Stream.TryMapValuesAsync Stream.FlatMapValuesWithKey
			Stream.TryFlatMapValues`,
		plain:    "a:x :x | a=x+ a=null null=x+ null=null | ",
		nullable: "a:x a:null null:x null:null | a=x+ a=null+ null=x+ null=null+ | ",
	},
	{
		ops:      "Stream.Repartition",
		plain:    " | a=x a=null | ",
		nullable: " | a=x a=null | ",
	},
	{
		ops:      "Stream.GroupBy",
		plain:    "a:x a: :x : | a!=x !=x | null value 2",
		nullable: "a:x a:null null:x null:null | a!=x null!=x | null value 2",
	},
	{
		ops:      "Stream.ToTable Table.Suppress",
		plain:    " | a=x a=null | null key 2",
		nullable: " | a=x a=null | null key 2",
	},
	{
		ops:      "Stream.GroupByKey Grouped.Reduce Grouped.TryReduce SlidingWindowed.Reduce SlidingWindowed.TryReduce",
		plain:    " | a=x | null key 2, null value 1",
		nullable: " | a=x | null key 2, null value 1",
	},
	{
		ops:      "Grouped.Count SlidingWindowed.Count",
		plain:    " | a=| | null key 2, null value 1",
		nullable: " | a=| | null key 2, null value 1",
	},
	{
		ops: `Grouped.Aggregate Grouped.TryAggregate Grouped.Cogroup Grouped.TryCogroup Cogrouped.Aggregate
			Cogrouped.And Cogrouped.TryAnd Grouped.SlidingBy SlidingWindowed.Aggregate SlidingWindowed.TryAggregate
			SlidingWindowed.IdleAfter SlidingWindowed.OnLate Cogrouped.SlidingBy SlidingCogrouped.Aggregate`,
		plain:    "a:x | a=0x | null key 2, null value 1",
		nullable: "a:x | a=0x | null key 2, null value 1",
	},
	{
		ops:      "Grouped.AggregateBy SlidingWindowed.AggregateBy",
		plain:    "x | a=0x | null key 2, null value 1",
		nullable: "x | a=0x | null key 2, null value 1",
	},
	{
		ops: `Grouped.WindowedBy TimeWindowed.Aggregate TimeWindowed.TryAggregate TimeWindowed.IdleAfter
			TimeWindowed.OnLate Cogrouped.WindowedBy TimeCogrouped.Aggregate`,
		plain:    "a:x | a=0x | null key 2, null value 1",
		nullable: "a:x a:null | a=0x a=0xnull | null key 2",
	},
	{
		ops:      "TimeWindowed.Count SessionWindowed.Count",
		plain:    " | a=| a=|| | null key 2",
		nullable: " | a=| a=|| | null key 2",
	},
	{
		ops:      "TimeWindowed.Reduce SessionWindowed.Reduce",
		plain:    " | a=x | null key 2, null value 1",
		nullable: "null | a=x a=xnull | null key 2",
	},
	{
		ops:      "TimeWindowed.TryReduce SessionWindowed.TryReduce",
		plain:    " | a=x | null key 2, null value 1",
		nullable: "a:null | a=x a=xnull | null key 2",
	},
	{
		ops:      "TimeWindowed.AggregateBy",
		plain:    "x | a=0x | null key 2, null value 1",
		nullable: "x null | a=0x a=0xnull | null key 2",
	},
	{
		ops:      "TimeWindowed.EmitOnClose SessionWindowed.EmitOnClose",
		plain:    "a:x |  | null key 2, null value 1",
		nullable: "a:x a:null |  | null key 2",
	},
	{
		ops:      "SlidingWindowed.EmitOnClose",
		plain:    "a:x |  | null key 2, null value 1",
		nullable: "a:x |  | null key 2, null value 1",
	},
	{
		ops: `Grouped.SessionBy SessionWindowed.Aggregate SessionWindowed.TryAggregate SessionWindowed.IdleAfter
			SessionWindowed.OnLate Cogrouped.SessionBy SessionCogrouped.Aggregate`,
		plain:    "a:x | a=0x | null key 2, null value 1",
		nullable: "a:x a:null | a=0x a=0null | null key 2",
	},
	{
		ops:      "SessionWindowed.AggregateBy",
		plain:    "x | a=0x | null key 2, null value 1",
		nullable: "x null | a=0x a=0null | null key 2",
	},
	{
		ops: `Stream.Join Stream.JoinWithKey Stream.TryJoin Stream.JoinTable Stream.JoinTableWithKey
			Stream.TryJoinTable`,
		plain:    "x:r | a=xr | null key 2, null value 1",
		nullable: "x:r | a=xr | null key 2, null value 1",
	},
	{
		ops: `Stream.LeftJoin Stream.LeftJoinWithKey Stream.TryLeftJoin Stream.OuterJoin Stream.OuterJoinWithKey
			Stream.TryOuterJoin`,
		plain:    "x:r x: | a=xr null=x | null key 1, null value 1",
		nullable: "x:r x:null | a=xr null=xnull | null key 1, null value 1",
	},
	{
		ops:      "Stream.LeftJoinTable Stream.LeftJoinTableWithKey Stream.TryLeftJoinTable",
		plain:    "x:r x: | a=xr null=x | null value 2",
		nullable: "x:r x:null | a=xr null=xnull | null value 2",
	},
	{
		ops: `Stream.JoinGlobal Stream.JoinGlobalWithKey Stream.JoinGlobalWithKeys Stream.TryJoinGlobal
			Stream.TryJoinGlobalWithKeys`,
		plain:    "a:x x:r :x | a=xr | null value 2",
		nullable: "a:x x:r null:x | a=xr | null key 1, null value 2",
	},
	{
		ops: `Stream.LeftJoinGlobal Stream.LeftJoinGlobalWithKey Stream.LeftJoinGlobalWithKeys Stream.TryLeftJoinGlobal
			Stream.TryLeftJoinGlobalWithKeys`,
		plain:    "a:x x:r :x x: | a=xr null=x | null value 2",
		nullable: "a:x x:r null:x x:null | a=xr null=xnull | null value 2",
	},
	{
		ops:      "Table.Filter Table.FilterNot",
		plain:    "a:x a:x | a=x a=null | null key 2",
		nullable: "a:x a:x | a=x a=null | null key 2",
	},
	{
		ops:      "Table.MapValues",
		plain:    "x | a=x+ a=null | null key 2",
		nullable: "x | a=x+ a=null | null key 2",
	},
	{
		ops:      "Table.MapValuesWithKey Table.TryMapValues",
		plain:    "a:x | a=x+ a=null | null key 2",
		nullable: "a:x | a=x+ a=null | null key 2",
	},
	{
		ops:      "Table.TransformValues",
		plain:    "a:x a: | a=x+ a=null | null key 2",
		nullable: "a:x a:null | a=x+ a=null | null key 2",
	},
	{
		ops: `Table.Join Table.JoinWithKey Table.TryJoin Table.LeftJoin Table.LeftJoinWithKey Table.TryLeftJoin
			Table.JoinOn Table.TryJoinOn Table.LeftJoinOn Table.TryLeftJoinOn`,
		plain:    "x:r | a=xr a=null | null key 2",
		nullable: "x:r | a=xr a=null | null key 2",
	},
	{
		ops:      "Table.OuterJoin Table.OuterJoinWithKey Table.TryOuterJoin",
		plain:    "x:r :r | a=r a=xr a=r | null key 2",
		nullable: "x:r null:r | a=nullr a=xr a=nullr | null key 2",
	},
	{
		ops:      "Table.GroupBy GroupedTable.Aggregate GroupedTable.TryAggregate",
		plain:    "a:x a:x a:x | a=0x a=0 | null key 2",
		nullable: "a:x a:x a:x | a=0x a=0 | null key 2",
	},
	{
		ops:      "GroupedTable.AggregateBy",
		plain:    "a:x x a:x | a=0x a=0 | null key 2",
		nullable: "a:x x a:x | a=0x a=0 | null key 2",
	},
	{
		ops:      "GroupedTable.Reduce GroupedTable.TryReduce",
		plain:    "a:x a:x | a=x a= | null key 2",
		nullable: "a:x a:x | a=x a= | null key 2",
	},
	{
		ops:      "GroupedTable.Count",
		plain:    "a:x a:x | a=| a= | null key 2",
		nullable: "a:x a:x | a=| a= | null key 2",
	},
}

func wantOf(t *testing.T, op string) nullWant {
	for _, w := range nullWants {
		for o := range strings.FieldsSeq(w.ops) {
			if o == op {
				return w
			}
		}
	}
	require.Fail(t, "nothing is wanted of "+op)
	return nullWant{}
}
