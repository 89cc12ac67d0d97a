package dsl_test

import (
	"time"

	"github.com/thalweg/thalweg/dsl"
	"github.com/thalweg/thalweg/processor"
	"github.com/thalweg/thalweg/windowing"
)

// nullAggregates are the aggregates of streams.
func nullAggregates[T any]() (cases []nullCase[T]) {
	type (
		test   = *nullTest[T]
		stream = dsl.Stream[T, T]
		record = processor.Record[T, T]
	)
	add := func(op string, write func(x test, s stream) stream) {
		cases = append(cases, nullCase[T]{op, write})
	}
	add("Stream.GroupByKey", func(x test, s stream) stream { return s.GroupByKey().Reduce("r", x.reduce).ToStream() })
	add("Grouped.Count", func(x test, s stream) stream { return x.count(s.GroupByKey().Count("c")) })
	add("Grouped.Reduce", func(x test, s stream) stream { return s.GroupByKey().Reduce("r", x.reduce).ToStream() })
	add("Grouped.TryReduce", func(x test, s stream) stream { return s.GroupByKey().TryReduce("r", x.tryFold).ToStream() })
	add("Grouped.Aggregate", func(x test, s stream) stream {
		return s.GroupByKey().Aggregate("a", x.zero, x.fold).ToStream()
	})
	add("Grouped.TryAggregate", func(x test, s stream) stream {
		return s.GroupByKey().TryAggregate("a", x.zero, x.tryFold).ToStream()
	})
	add("Grouped.AggregateBy", func(x test, s stream) stream { return s.GroupByKey().AggregateBy("a", byText[T]{x}).ToStream() })
	add("Grouped.Cogroup", func(x test, s stream) stream {
		return s.GroupByKey().Cogroup(x.fold).Aggregate("a", x.zero).ToStream()
	})
	add("Grouped.TryCogroup", func(x test, s stream) stream {
		return s.GroupByKey().TryCogroup(x.tryFold).Aggregate("a", x.zero).ToStream()
	})
	add("Cogrouped.Aggregate", func(x test, s stream) stream {
		return s.GroupByKey().Cogroup(x.fold).Aggregate("a", x.zero).ToStream()
	})
	other := func(x test) dsl.Grouped[T, T] { return x.b.Stream(x.topic("other")).GroupByKey() }
	add("Cogrouped.And", func(x test, s stream) stream {
		return other(x).Cogroup(x.fold).And(s.GroupByKey(), x.fold).Aggregate("a", x.zero).ToStream()
	})
	add("Cogrouped.TryAnd", func(x test, s stream) stream {
		return other(x).Cogroup(x.fold).TryAnd(s.GroupByKey(), x.tryFold).Aggregate("a", x.zero).ToStream()
	})

	hour := windowing.Tumbling(time.Hour)
	timed := func(s stream) dsl.TimeWindowed[T, T] { return s.GroupByKey().WindowedBy(hour) }
	add("Grouped.WindowedBy", func(x test, s stream) stream { return x.bare(timed(s).Aggregate("a", x.zero, x.fold)) })
	add("TimeWindowed.Count", func(x test, s stream) stream { return x.plainCount(timed(s).Count("c")) })
	add("TimeWindowed.Reduce", func(x test, s stream) stream { return x.bare(timed(s).Reduce("r", x.reduce)) })
	add("TimeWindowed.TryReduce", func(x test, s stream) stream { return x.bare(timed(s).TryReduce("r", x.tryFold)) })
	add("TimeWindowed.Aggregate", func(x test, s stream) stream { return x.bare(timed(s).Aggregate("a", x.zero, x.fold)) })
	add("TimeWindowed.TryAggregate", func(x test, s stream) stream { return x.bare(timed(s).TryAggregate("a", x.zero, x.tryFold)) })
	add("TimeWindowed.AggregateBy", func(x test, s stream) stream { return x.bare(timed(s).AggregateBy("a", byText[T]{x})) })
	add("TimeWindowed.EmitOnClose", func(x test, s stream) stream {
		return x.bare(timed(s).EmitOnClose().Aggregate("a", x.zero, x.fold))
	})
	add("TimeWindowed.IdleAfter", func(x test, s stream) stream {
		return x.bare(timed(s).IdleAfter(time.Hour).Aggregate("a", x.zero, x.fold))
	})
	add("TimeWindowed.OnLate", func(x test, s stream) stream {
		late := func(_ *processor.Context, r record, _, _ int64) { x.see(r.Key, r.Value) }
		return x.bare(timed(s).OnLate(late).Aggregate("a", x.zero, x.fold))
	})
	sliding := func(s stream) dsl.SlidingWindowed[T, T] {
		return s.GroupByKey().SlidingBy(windowing.SlidingOf(time.Millisecond))
	}
	add("Grouped.SlidingBy", func(x test, s stream) stream { return x.bare(sliding(s).Aggregate("a", x.zero, x.fold)) })
	add("SlidingWindowed.Count", func(x test, s stream) stream { return x.plainCount(sliding(s).Count("c")) })
	add("SlidingWindowed.Reduce", func(x test, s stream) stream { return x.bare(sliding(s).Reduce("r", x.reduce)) })
	add("SlidingWindowed.TryReduce", func(x test, s stream) stream { return x.bare(sliding(s).TryReduce("r", x.tryFold)) })
	add("SlidingWindowed.Aggregate", func(x test, s stream) stream { return x.bare(sliding(s).Aggregate("a", x.zero, x.fold)) })
	add("SlidingWindowed.TryAggregate", func(x test, s stream) stream {
		return x.bare(sliding(s).TryAggregate("a", x.zero, x.tryFold))
	})
	add("SlidingWindowed.AggregateBy", func(x test, s stream) stream { return x.bare(sliding(s).AggregateBy("a", byText[T]{x})) })
	add("SlidingWindowed.EmitOnClose", func(x test, s stream) stream {
		return x.bare(sliding(s).EmitOnClose().Aggregate("a", x.zero, x.fold))
	})
	add("SlidingWindowed.IdleAfter", func(x test, s stream) stream {
		return x.bare(sliding(s).IdleAfter(time.Hour).Aggregate("a", x.zero, x.fold))
	})
	add("SlidingWindowed.OnLate", func(x test, s stream) stream {
		late := func(_ *processor.Context, r record, _, _ int64) { x.see(r.Key, r.Value) }
		return x.bare(sliding(s).OnLate(late).Aggregate("a", x.zero, x.fold))
	})
	session := func(s stream) dsl.SessionWindowed[T, T] {
		return s.GroupByKey().SessionBy(windowing.Sessions(time.Second))
	}
	add("Grouped.SessionBy", func(x test, s stream) stream { return x.bare(session(s).Aggregate("a", x.zero, x.fold, x.merge)) })
	add("SessionWindowed.Count", func(x test, s stream) stream { return x.plainCount(session(s).Count("c")) })
	add("SessionWindowed.Reduce", func(x test, s stream) stream { return x.bare(session(s).Reduce("r", x.reduce)) })
	add("SessionWindowed.TryReduce", func(x test, s stream) stream { return x.bare(session(s).TryReduce("r", x.tryFold)) })
	add("SessionWindowed.Aggregate", func(x test, s stream) stream {
		return x.bare(session(s).Aggregate("a", x.zero, x.fold, x.merge))
	})
	add("SessionWindowed.TryAggregate", func(x test, s stream) stream {
		return x.bare(session(s).TryAggregate("a", x.zero, x.tryFold, x.merge))
	})
	add("SessionWindowed.AggregateBy", func(x test, s stream) stream { return x.bare(session(s).AggregateBy("a", byText[T]{x})) })
	add("SessionWindowed.EmitOnClose", func(x test, s stream) stream {
		return x.bare(session(s).EmitOnClose().Aggregate("a", x.zero, x.fold, x.merge))
	})
	add("SessionWindowed.IdleAfter", func(x test, s stream) stream {
		return x.bare(session(s).IdleAfter(time.Hour).Aggregate("a", x.zero, x.fold, x.merge))
	})
	add("SessionWindowed.OnLate", func(x test, s stream) stream {
		late := func(_ *processor.Context, r record, _, _ int64) { x.see(r.Key, r.Value) }
		return x.bare(session(s).OnLate(late).Aggregate("a", x.zero, x.fold, x.merge))
	})
	co := func(x test, s stream) dsl.Cogrouped[T, T] { return s.GroupByKey().Cogroup(x.fold) }
	add("Cogrouped.WindowedBy", func(x test, s stream) stream { return x.bare(co(x, s).WindowedBy(hour).Aggregate("a", x.zero)) })
	add("TimeCogrouped.Aggregate", func(x test, s stream) stream { return x.bare(co(x, s).WindowedBy(hour).Aggregate("a", x.zero)) })
	add("Cogrouped.SlidingBy", func(x test, s stream) stream {
		return x.bare(co(x, s).SlidingBy(windowing.SlidingOf(time.Millisecond)).Aggregate("a", x.zero))
	})
	add("SlidingCogrouped.Aggregate", func(x test, s stream) stream {
		return x.bare(co(x, s).SlidingBy(windowing.SlidingOf(time.Millisecond)).Aggregate("a", x.zero))
	})
	add("Cogrouped.SessionBy", func(x test, s stream) stream {
		return x.bare(co(x, s).SessionBy(windowing.Sessions(time.Second)).Aggregate("a", x.zero, x.merge))
	})
	add("SessionCogrouped.Aggregate", func(x test, s stream) stream {
		return x.bare(co(x, s).SessionBy(windowing.Sessions(time.Second)).Aggregate("a", x.zero, x.merge))
	})
	return cases
}
