package dsl_test

import (
	"time"

	"github.com/thalweg/thalweg/dsl"
	"github.com/thalweg/thalweg/processor"
	"github.com/thalweg/thalweg/windowing"
)

// nullJoins are the joins of streams.
func nullJoins[T any]() (cases []nullCase[T]) {
	type (
		test   = *nullTest[T]
		stream = dsl.Stream[T, T]
		record = processor.Record[T, T]
		maybe  = dsl.Maybe[T]
	)
	add := func(op string, write func(x test, s stream) stream) {
		cases = append(cases, nullCase[T]{op, write})
	}
	near := windowing.Within(time.Hour)
	stream2 := func(x test) stream { return x.b.Stream(x.topic("rows")) }
	add("Stream.Join", func(x test, s stream) stream { return s.Join("j", stream2(x), near, x.both) })
	add("Stream.JoinWithKey", func(x test, s stream) stream { return s.JoinWithKey("j", stream2(x), near, x.keyed) })
	add("Stream.TryJoin", func(x test, s stream) stream {
		return s.TryJoin("j", stream2(x), near, func(_ *processor.Context, _ T, l, r T) (T, error) { return x.both(l, r), nil })
	})
	add("Stream.LeftJoin", func(x test, s stream) stream { return s.LeftJoin("j", stream2(x), near, x.left) })
	add("Stream.LeftJoinWithKey", func(x test, s stream) stream { return s.LeftJoinWithKey("j", stream2(x), near, x.leftKeyed) })
	add("Stream.TryLeftJoin", func(x test, s stream) stream {
		return s.TryLeftJoin("j", stream2(x), near, func(_ *processor.Context, _ T, l T, r maybe) (T, error) { return x.both(l, r.Value), nil })
	})
	add("Stream.OuterJoin", func(x test, s stream) stream { return s.OuterJoin("j", stream2(x), near, x.outer) })
	add("Stream.OuterJoinWithKey", func(x test, s stream) stream { return s.OuterJoinWithKey("j", stream2(x), near, x.outerKeyed) })
	add("Stream.TryOuterJoin", func(x test, s stream) stream {
		return s.TryOuterJoin("j", stream2(x), near, func(_ *processor.Context, _ T, l, r maybe) (T, error) { return x.both(l.Value, r.Value), nil })
	})

	add("Stream.JoinTable", func(x test, s stream) stream { return s.JoinTable(x.rows(), x.both) })
	add("Stream.JoinTableWithKey", func(x test, s stream) stream { return s.JoinTableWithKey(x.rows(), x.keyed) })
	add("Stream.TryJoinTable", func(x test, s stream) stream {
		return s.TryJoinTable(x.rows(), func(_ *processor.Context, r record, o T) (T, error) { return x.both(r.Value, o), nil })
	})
	add("Stream.LeftJoinTable", func(x test, s stream) stream { return s.LeftJoinTable(x.rows(), x.left) })
	add("Stream.LeftJoinTableWithKey", func(x test, s stream) stream { return s.LeftJoinTableWithKey(x.rows(), x.leftKeyed) })
	add("Stream.TryLeftJoinTable", func(x test, s stream) stream {
		return s.TryLeftJoinTable(x.rows(), func(_ *processor.Context, r record, o maybe) (T, error) { return x.both(r.Value, o.Value), nil })
	})

	global := func(x test) dsl.GlobalTable[T, T] { return x.b.GlobalTable(x.topic("rows"), "rows") }
	add("Stream.JoinGlobal", func(x test, s stream) stream { return s.JoinGlobal(global(x), x.its, x.both) })
	add("Stream.JoinGlobalWithKey", func(x test, s stream) stream { return s.JoinGlobalWithKey(global(x), x.its, x.keyed) })
	add("Stream.JoinGlobalWithKeys", func(x test, s stream) stream {
		return s.JoinGlobalWithKeys(global(x), x.its, func(_, _, l, r T) T { return x.both(l, r) })
	})
	add("Stream.TryJoinGlobal", func(x test, s stream) stream {
		return s.TryJoinGlobal(global(x), x.its, func(_ *processor.Context, r record, o T) (T, error) { return x.both(r.Value, o), nil })
	})
	add("Stream.TryJoinGlobalWithKeys", func(x test, s stream) stream {
		return s.TryJoinGlobalWithKeys(global(x), x.its, func(_ *processor.Context, r record, _ T, o T) (T, error) { return x.both(r.Value, o), nil })
	})
	add("Stream.LeftJoinGlobal", func(x test, s stream) stream { return s.LeftJoinGlobal(global(x), x.its, x.left) })
	add("Stream.LeftJoinGlobalWithKey", func(x test, s stream) stream { return s.LeftJoinGlobalWithKey(global(x), x.its, x.leftKeyed) })
	add("Stream.LeftJoinGlobalWithKeys", func(x test, s stream) stream {
		return s.LeftJoinGlobalWithKeys(global(x), x.its, func(_, _, l T, r maybe) T { return x.both(l, r.Value) })
	})
	add("Stream.TryLeftJoinGlobal", func(x test, s stream) stream {
		return s.TryLeftJoinGlobal(global(x), x.its, func(_ *processor.Context, r record, o maybe) (T, error) { return x.both(r.Value, o.Value), nil })
	})
	add("Stream.TryLeftJoinGlobalWithKeys", func(x test, s stream) stream {
		return s.TryLeftJoinGlobalWithKeys(global(x), x.its, func(_ *processor.Context, r record, _ T, o maybe) (T, error) {
			return x.both(r.Value, o.Value), nil
		})
	})
	return cases
}

// nullTables are the operators of tables.
func nullTables[T any]() (cases []nullCase[T]) {
	type (
		test   = *nullTest[T]
		stream = dsl.Stream[T, T]
		table  = dsl.Table[T, T]
		record = processor.Record[T, T]
		maybe  = dsl.Maybe[T]
	)
	add := func(op string, write func(x test, s stream) stream) {
		cases = append(cases, nullCase[T]{op, write})
	}
	addTable := func(op string, write func(x test, t table) table) {
		add(op, func(x test, s stream) stream { return write(x, s.ToTable("t")).ToStream() })
	}
	addTable("Table.Filter", func(x test, t table) table { return t.Filter(x.keep) })
	addTable("Table.FilterNot", func(x test, t table) table { return t.FilterNot(x.drop) })
	addTable("Table.MapValues", func(x test, t table) table { return t.MapValues(x.plus) })
	addTable("Table.MapValuesWithKey", func(x test, t table) table { return t.MapValuesWithKey(x.value) })
	addTable("Table.TryMapValues", func(x test, t table) table {
		return t.TryMapValues(func(k, v T) (T, error) { return x.value(k, v), nil })
	})
	addTable("Table.TransformValues", func(x test, t table) table {
		return t.TransformValues("v", func() transformText[T] { return transformText[T]{x} })
	})
	addTable("Table.Suppress", func(x test, t table) table { return t.Suppress(dsl.Every(0)) })
	addTable("Table.Join", func(x test, t table) table { return t.Join(x.rows(), x.both) })
	addTable("Table.JoinWithKey", func(x test, t table) table { return t.JoinWithKey(x.rows(), x.keyed) })
	addTable("Table.TryJoin", func(x test, t table) table {
		return t.TryJoin(x.rows(), func(_ *processor.Context, _ T, l, r T) (T, error) { return x.both(l, r), nil })
	})
	addTable("Table.LeftJoin", func(x test, t table) table { return t.LeftJoin(x.rows(), x.left) })
	addTable("Table.LeftJoinWithKey", func(x test, t table) table { return t.LeftJoinWithKey(x.rows(), x.leftKeyed) })
	addTable("Table.TryLeftJoin", func(x test, t table) table {
		return t.TryLeftJoin(x.rows(), func(_ *processor.Context, _ T, l T, r maybe) (T, error) { return x.both(l, r.Value), nil })
	})
	addTable("Table.OuterJoin", func(x test, t table) table { return t.OuterJoin(x.rows(), x.outer) })
	addTable("Table.OuterJoinWithKey", func(x test, t table) table { return t.OuterJoinWithKey(x.rows(), x.outerKeyed) })
	addTable("Table.TryOuterJoin", func(x test, t table) table {
		return t.TryOuterJoin(x.rows(), func(_ *processor.Context, _ T, l, r maybe) (T, error) { return x.both(l.Value, r.Value), nil })
	})
	addTable("Table.JoinOn", func(x test, t table) table { return t.JoinOn("fk", x.rows(), x.fk, x.both) })
	addTable("Table.TryJoinOn", func(x test, t table) table {
		return t.TryJoinOn("fk", x.rows(), x.fk, func(_ *processor.Context, _ T, l, r T) (T, error) { return x.both(l, r), nil })
	})
	addTable("Table.LeftJoinOn", func(x test, t table) table { return t.LeftJoinOn("fk", x.rows(), x.fk, x.left) })
	addTable("Table.TryLeftJoinOn", func(x test, t table) table {
		return t.TryLeftJoinOn("fk", x.rows(), x.fk, func(_ *processor.Context, _ T, l T, r maybe) (T, error) { return x.both(l, r.Value), nil })
	})
	grouped := func(x test, t table) dsl.GroupedTable[T, T] {
		return t.GroupBy(func(k, v T) (T, T) { x.see(k, v); return k, v })
	}
	addTable("Table.GroupBy", func(x test, t table) table { return grouped(x, t).Aggregate("g", x.zero, x.fold, x.minus) })
	addTable("GroupedTable.Aggregate", func(x test, t table) table { return grouped(x, t).Aggregate("g", x.zero, x.fold, x.minus) })
	addTable("GroupedTable.AggregateBy", func(x test, t table) table { return grouped(x, t).AggregateBy("g", byText[T]{x}) })
	addTable("GroupedTable.TryAggregate", func(x test, t table) table {
		return grouped(x, t).TryAggregate("g", x.zero, x.tryFold, func(_ *processor.Context, r record, a T) (T, error) {
			return x.minus(r.Key, r.Value, a), nil
		})
	})
	addTable("GroupedTable.Reduce", func(x test, t table) table {
		return grouped(x, t).Reduce("g", x.reduce, func(a, v T) T { return x.minus(v, v, a) })
	})
	addTable("GroupedTable.TryReduce", func(x test, t table) table {
		return grouped(x, t).TryReduce("g", x.tryFold, func(_ *processor.Context, r record, a T) (T, error) {
			return x.minus(r.Key, r.Value, a), nil
		})
	})
	add("GroupedTable.Count", func(x test, s stream) stream { return x.count(grouped(x, s.ToTable("t")).Count("g")) })
	return cases
}
