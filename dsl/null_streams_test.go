package dsl_test

import (
	"context"
	"io"
	"iter"
	"slices"

	"github.com/thalweg/thalweg/dsl"
	"github.com/thalweg/thalweg/processor"
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
	return slices.Concat(nullStreams[T](), nullAggregates[T](), nullJoins[T](), nullTables[T]())
}

// nullStreams are the operators of streams alone.
func nullStreams[T any]() (cases []nullCase[T]) {
	type (
		test   = *nullTest[T]
		stream = dsl.Stream[T, T]
		record = processor.Record[T, T]
	)
	add := func(op string, write func(x test, s stream) stream) {
		cases = append(cases, nullCase[T]{op, write})
	}
	one := func(v T) iter.Seq[T] { return func(yield func(T) bool) { yield(v) } }
	pair := func(k, v T) iter.Seq2[T, T] { return func(yield func(T, T) bool) { yield(k, v) } }
	add("Stream.Filter", func(x test, s stream) stream { return s.Filter(x.keep) })
	add("Stream.FilterNot", func(x test, s stream) stream { return s.FilterNot(x.drop) })
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
	add("Stream.Split", func(x test, s stream) stream { c := s.Split(); c.Case("no", x.drop); return c.Default("rest") })
	add("Cases.Case", func(x test, s stream) stream { return s.Split().Case("yes", x.keep) })
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
	add("Stream.MapValuesWithKey", func(x test, s stream) stream { return s.MapValuesWithKey(x.value) })
	add("Stream.TryMapValues", func(x test, s stream) stream {
		return s.TryMapValues(func(_ *processor.Context, r record) (T, error) { return x.value(r.Key, r.Value), nil })
	})
	add("Stream.TryMapValuesAsync", func(x test, s stream) stream {
		return s.TryMapValuesAsync(1, func(_ context.Context, r record) (T, error) { return x.value(r.Key, r.Value), nil })
	})
	add("Stream.FlatMapValues", func(x test, s stream) stream {
		return s.FlatMapValues(func(v T) iter.Seq[T] { return one(x.plus(v)) })
	})
	add("Stream.FlatMapValuesWithKey", func(x test, s stream) stream {
		return s.FlatMapValuesWithKey(func(k, v T) iter.Seq[T] { return one(x.value(k, v)) })
	})
	add("Stream.TryFlatMapValues", func(x test, s stream) stream {
		return s.TryFlatMapValues(func(_ *processor.Context, r record) (iter.Seq[T], error) { return one(x.value(r.Key, r.Value)), nil })
	})

	add("Stream.Process", func(x test, s stream) stream {
		return s.Process("p", func() processor.Func[T, T, T, T] { return x.process })
	})
	add("Stream.ProcessFunc", func(x test, s stream) stream { return s.ProcessFunc("p", x.process) })
	add("Stream.ProcessValues", func(x test, s stream) stream {
		return s.ProcessValues("p", func() processor.ValueFunc[T, T, T] { return x.processValues })
	})
	add("Stream.ProcessValuesFunc", func(x test, s stream) stream { return s.ProcessValuesFunc("p", x.processValues) })

	add("Stream.Repartition", func(x test, s stream) stream { return s.Repartition("r") })
	add("Stream.GroupBy", func(x test, s stream) stream {
		return s.GroupBy(func(k, v T) T { x.see(k, v); return x.of(x.show(k) + "!") }).Reduce("r", func(a, v T) T { return v }).ToStream()
	})
	add("Stream.ToTable", func(x test, s stream) stream { return s.ToTable("t").ToStream() })
	return cases
}
