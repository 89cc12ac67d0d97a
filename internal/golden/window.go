package golden

import (
	"time"

	"github.com/thalweg/thalweg/dsl"
	"github.com/thalweg/thalweg/serde"
	"github.com/thalweg/thalweg/windowing"
)

const day = 24 * time.Hour

func (p *plan) grouped() dsl.Grouped[text, text] { return p.b.Stream(texts("in")).GroupByKey() }

func (p *plan) groupedLongs() dsl.Grouped[text, long] { return p.b.Stream(longs("in")).GroupByKey() }

func tumblingCountNoGrace(p *plan) {
	p.grouped().
		WindowedBy(windowing.Tumbling(ms(10))).
		Count("cnt", dsl.Retention(day), dsl.Uncached()).
		ToStream().To(timed("out", 10, serde.Int64))
}

func tumblingAggregateGrace(p *plan) {
	p.grouped().
		WindowedBy(windowing.Tumbling(ms(10)).WithGrace(ms(15))).
		Aggregate("agg", empty, appendTo).
		ToStream().To(timed("out", 10, textSerde))
}

func hoppingCount(p *plan) {
	p.grouped().
		WindowedBy(windowing.Hopping(ms(10), ms(4)).WithGrace(ms(6))).
		Count("cnt", dsl.Retention(day), dsl.Uncached()).
		ToStream().To(timed("out", 10, serde.Int64))
}

func hoppingReduceCached(p *plan) {
	p.grouped().
		WindowedBy(windowing.Hopping(ms(12), ms(5)).WithGrace(ms(10))).
		Reduce("red", reduce).
		ToStream().To(timed("out", 12, textSerde))
}

func tumblingInMemory(p *plan) {
	sums := p.groupedLongs().
		WindowedBy(windowing.Tumbling(ms(20)).WithGrace(ms(20))).
		Aggregate("mem", zero, add, dsl.InMemory(), dsl.Retention(ms(100)), dsl.Uncached())
	sums.ToStream().To(timed("out", 20, longSerde))
	sums.
		Filter(func(_ windowed, v long) bool { return v != nil && *v >= 30 }).
		MapValues(func(v long) long { return new(*v * -1) }).
		ToStream().SelectKey(func(w windowed, _ long) text { return winKey(w) }).
		To(longs("big"))
}

func tumblingNullAggregate(p *plan) {
	p.groupedLongs().
		WindowedBy(windowing.Tumbling(ms(10)).WithGrace(ms(20))).
		Aggregate("agg", zero, sumUnlessZero, dsl.Retention(day), dsl.Uncached()).
		ToStream().To(timed("out", 10, longSerde))
}

func tumblingEmitFinal(p *plan) {
	p.grouped().
		WindowedBy(windowing.Tumbling(ms(10)).WithGrace(ms(5))).
		EmitOnClose().
		Aggregate("agg", empty, appendTo, dsl.Retention(day), dsl.Uncached()).
		ToStream().To(timed("out", 10, textSerde))
}

func hoppingEmitFinal(p *plan) {
	p.grouped().
		WindowedBy(windowing.Hopping(ms(12), ms(5))).
		EmitOnClose().
		Count("cnt", dsl.Retention(day)).
		ToStream().To(timed("out", 12, serde.Int64))
}

// windowTableJoin joins two windowed tables on their windowed keys.
func windowTableJoin(p *plan) {
	x, y := p.b.Stream(texts("x")), p.b.Stream(texts("y"))
	w := windowing.Tumbling(ms(10)).WithGrace(ms(20))
	xc := x.GroupByKey().WindowedBy(w).Count("xc", dsl.Retention(day), dsl.Uncached())
	yc := y.GroupByKey().WindowedBy(w).Count("yc", dsl.Retention(day), dsl.Uncached())
	count := func(m dsl.Maybe[int64]) text {
		if !m.OK {
			return nil
		}
		return new(num(m.Value))
	}
	xc.OuterJoin(yc, func(l, r dsl.Maybe[int64]) text { return join(count(l), count(r)) }).
		ToStream().SelectKey(func(w windowed, _ text) text { return winKey(w) }).
		To(texts("out"))
}

func slidingCount(p *plan) {
	p.grouped().
		SlidingBy(windowing.SlidingOf(ms(10))).
		Count("cnt", dsl.Retention(day), dsl.Uncached()).
		ToStream().To(timed("out", 10, serde.Int64))
}

func slidingAggregate(p *plan) {
	p.grouped().
		SlidingBy(windowing.SlidingOf(ms(8)).WithGrace(ms(20))).
		Aggregate("agg", empty, appendTo, dsl.Retention(day), dsl.Uncached()).
		ToStream().To(timed("out", 8, textSerde))
}

func slidingReduceCached(p *plan) {
	p.grouped().
		SlidingBy(windowing.SlidingOf(ms(8)).WithGrace(ms(20))).
		Reduce("red", reduce).
		ToStream().To(timed("out", 8, textSerde))
}

func cogroupTumbling(p *plan) {
	a, b := p.b.Stream(texts("a")), p.b.Stream(texts("b"))
	a.GroupByKey().Cogroup(tag("A", "")).
		And(b.GroupByKey(), tag("B", "")).
		WindowedBy(windowing.Tumbling(ms(10)).WithGrace(ms(5))).
		Aggregate("cgw", empty, dsl.Uncached()).
		ToStream().To(timed("out", 10, textSerde))
}

func cogroupSession(p *plan) {
	a, b := p.b.Stream(texts("a")), p.b.Stream(texts("b"))
	a.GroupByKey().Cogroup(tag("A", "")).
		And(b.GroupByKey(), tag("B", "")).
		SessionBy(windowing.Sessions(ms(10)).WithGrace(ms(10))).
		Aggregate("cgs", empty, merge, dsl.Uncached()).
		ToStream().To(sessions("out", textSerde))
}

func cogroupSliding(p *plan) {
	a, b := p.b.Stream(longs("a")), p.b.Stream(longs("b"))
	a.GroupByKey().Cogroup(add).
		And(b.GroupByKey(), sub).
		SlidingBy(windowing.SlidingOf(ms(10)).WithGrace(ms(8))).
		Aggregate("cgl", zero, dsl.Uncached()).
		ToStream().To(timed("out", 10, longSerde))
}

func headersStoreFormat(p *plan) {
	headers := dsl.LogTombstoneHeaders()
	in := p.b.Stream(texts("in"))
	in.GroupByKey().Count("cnt", headers).ToStream().To(counts("c"))
	in.GroupByKey().
		WindowedBy(windowing.Tumbling(ms(10)).WithGrace(ms(10))).
		Reduce("w", reduce, dsl.Retention(day), headers).
		ToStream().SelectKey(func(w windowed, _ text) text { return winKey(w) }).
		To(texts("w"))
	tab := p.b.Table(texts("tab"), "tab", dsl.Uncached(), headers)
	tab2 := p.b.Table(texts("tab2"), "tab2", dsl.Uncached(), headers)
	tab.LeftJoin(tab2, leftJoin, dsl.Stored("j"), headers).ToStream().To(texts("j"))
}
