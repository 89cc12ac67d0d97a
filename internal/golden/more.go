package golden

import (
	"strings"

	"github.com/thalweg/thalweg/dsl"
	"github.com/thalweg/thalweg/serde"
	"github.com/thalweg/thalweg/windowing"
)

// morePrograms are further compositions of the suite's operators. Their
// recordings are in testdata/more.
func morePrograms() map[string]func(*plan) {
	return map[string]func(*plan){
		"more-window-filter-group":       moreWindowFilterGroup,
		"more-window-filter-suppress":    moreWindowFilterSuppress,
		"more-session-suppress-limit":    moreSessionSuppressLimit,
		"more-session-emit-final-cached": moreSessionEmitFinalCached,
		"more-sliding-emit-final":        moreSlidingEmitFinal,
		"more-cogroup-three-hopping":     moreCogroupThreeHopping,
		"more-session-memory-suppress":   moreSessionMemorySuppress,
		"more-sliding-reduce-cached":     moreSlidingReduceCached,
		"more-hopping-aggregate-cached":  moreHoppingAggregateCached,
		"more-emit-final-cached-group":   moreEmitFinalCachedGroup,
		"more-window-left-join":          moreWindowLeftJoin,
		"more-session-outer-join":        moreSessionOuterJoin,
		"more-merge-session":             moreMergeSession,

		"more-suppress-group":       moreSuppressGroup,
		"more-group-suppress":       moreGroupSuppress,
		"more-suppress-close-group": moreSuppressCloseGroup,
		"more-suppress-join":        moreSuppressJoin,

		"more-fk-left-group":   moreFKLeftGroup,
		"more-fk-inner-cached": moreFKInnerCached,
		"more-fk-twice":        moreFKTwice,
		"more-fk-versioned":    moreFKVersioned,

		"more-outer-group":                  moreOuterGroup,
		"more-filter-join-group":            moreFilterJoinGroup,
		"more-join-filter-left":             moreJoinFilterLeft,
		"more-cached-chain-manual":          moreCachedChain,
		"more-versioned-left":               moreVersionedLeft,
		"more-versioned-outer":              moreVersionedOuter,
		"more-versioned-filter-group":       moreVersionedFilterGroup,
		"more-stream-versioned-inner-grace": moreStreamVersionedInnerGrace,
		"more-global-count":                 moreGlobalCount,
		"more-totable-join-manual":          moreToTableJoin,
		"more-count-join-self":              moreCountJoinSelf,
		"more-table-optimised":              moreTableOptimised,

		"more-stream-outer-zero":      streamOuter("join", windowing.Within(0)),
		"more-stream-left-long-grace": streamLeft(windowing.Within(ms(20)).WithGrace(ms(100))),
		"more-stream-outer-memory":    moreStreamOuterMemory,
		"more-stream-join-chain":      moreStreamJoinChain,
		"more-stream-self-left":       moreStreamSelfLeft,
	}
}

func byWindowKey(w windowed, v int64) (text, int64) { return w.Key, v }

func plus(_ text, v, sum int64) int64  { return sum + v }
func minus(_ text, v, sum int64) int64 { return sum - v }
func nought() int64                    { return 0 }

// optional is the text of a count that may be missing.
func optional(m dsl.Maybe[int64]) text {
	if !m.OK {
		return nil
	}
	return new(num(m.Value))
}

// beforeLast is the last character but one.
func beforeLast(_, v text) text { return new(last(strings.TrimSuffix(*v, (*v)[len(*v)-1:]))) }

func moreWindowFilterGroup(p *plan) {
	p.grouped().
		WindowedBy(windowing.Tumbling(ms(7)).WithGrace(ms(9))).
		Count("c", dsl.Retention(day), dsl.Uncached()).
		Filter(func(_ windowed, v int64) bool { return v >= 2 }).
		MapValues(func(v int64) int64 { return v * 10 }).
		GroupBy(byWindowKey).
		Aggregate("sum", nought, plus, minus, dsl.Uncached()).
		ToStream().To(counts("out"))
}

func moreWindowFilterSuppress(p *plan) {
	dsl.FinalOnly(p.grouped().
		WindowedBy(windowing.Hopping(ms(12), ms(5)).WithGrace(ms(3))).
		Count("c", dsl.Uncached()).
		Filter(func(_ windowed, v int64) bool { return v%2 == 0 }), dsl.Named("sup")).
		ToStream().To(timed("out", 12, serde.Int64))
}

func moreSessionSuppressLimit(p *plan) {
	p.grouped().
		SessionBy(windowing.Sessions(ms(5)).WithGrace(ms(20))).
		Aggregate("agg", empty, appendTo, merge, dsl.Uncached()).
		Suppress(dsl.Every(ms(7)).MaxRecords(4), dsl.Named("sup")).
		ToStream().To(sessions("out", textSerde))
}

func moreSessionEmitFinalCached(p *plan) {
	p.grouped().
		SessionBy(windowing.Sessions(ms(5))).
		EmitOnClose().
		Count("c").
		ToStream().To(sessions("out", serde.Int64))
}

func moreSlidingEmitFinal(p *plan) {
	p.grouped().
		SlidingBy(windowing.SlidingOf(ms(6)).WithGrace(ms(4))).
		EmitOnClose().
		Aggregate("agg", empty, appendTo, dsl.Uncached()).
		ToStream().To(timed("out", 6, textSerde))
}

func moreCogroupThreeHopping(p *plan) {
	a, b, c := p.b.Stream(texts("a")), p.b.Stream(texts("b")), p.b.Stream(texts("c"))
	a.GroupByKey().
		Cogroup(tag("a(", ")")).
		And(b.GroupByKey(), tag("b(", ")")).
		And(c.GroupBy(first), tag("c(", ")")).
		WindowedBy(windowing.Hopping(ms(9), ms(4)).WithGrace(ms(2))).
		Aggregate("cg", empty).
		ToStream().To(timed("out", 9, textSerde))
}

func moreSessionMemorySuppress(p *plan) {
	dsl.FinalOnly(p.grouped().
		SessionBy(windowing.Sessions(ms(9)).WithGrace(ms(2))).
		Reduce("mem", reduce, dsl.InMemory(), dsl.Retention(ms(11)), dsl.Uncached())).
		ToStream().To(sessions("out", textSerde))
}

func moreSlidingReduceCached(p *plan) {
	p.grouped().
		SlidingBy(windowing.SlidingOf(ms(5))).
		Reduce("red", reduce).
		ToStream().To(timed("out", 5, textSerde))
}

func moreHoppingAggregateCached(p *plan) {
	p.grouped().
		WindowedBy(windowing.Hopping(ms(10), ms(3)).WithGrace(ms(5))).
		Aggregate("agg", empty, appendTo).
		ToStream().To(timed("out", 10, textSerde))
}

func moreEmitFinalCachedGroup(p *plan) {
	p.grouped().
		WindowedBy(windowing.Hopping(ms(8), ms(3)).WithGrace(ms(4))).
		EmitOnClose().
		Count("c").
		ToStream().
		GroupBy(func(w windowed, _ int64) text { return w.Key }).
		Reduce("sum", func(a, b int64) int64 { return a + b }, dsl.Uncached()).
		ToStream().To(counts("out"))
}

func moreWindowLeftJoin(p *plan) {
	x, y := p.b.Stream(texts("x")), p.b.Stream(texts("y"))
	w := windowing.Tumbling(ms(15))
	xc := x.GroupByKey().WindowedBy(w.WithGrace(ms(5))).Count("xc")
	yc := y.GroupByKey().WindowedBy(w.WithGrace(ms(30))).Count("yc")
	xc.LeftJoin(yc, func(l int64, r dsl.Maybe[int64]) text { return join(new(num(l)), optional(r)) }).
		ToStream().SelectKey(func(w windowed, _ text) text { return winKey(w) }).
		To(texts("out"))
}

func moreSessionOuterJoin(p *plan) {
	x, y := p.b.Stream(texts("x")), p.b.Stream(texts("y"))
	w := windowing.Sessions(ms(4)).WithGrace(ms(60))
	xc := x.GroupByKey().SessionBy(w).Count("xc", dsl.Uncached())
	yc := y.GroupByKey().SessionBy(w).Count("yc", dsl.Uncached())
	xc.OuterJoin(yc, func(l, r dsl.Maybe[int64]) text { return join(optional(l), optional(r)) }).
		ToStream().SelectKey(func(w windowed, _ text) text { return winKey(w) }).
		To(texts("out"))
}

func moreMergeSession(p *plan) {
	a, b := p.b.Stream(texts("a")), p.b.Stream(texts("b"))
	a.SelectKey(first).Merge(b).
		GroupByKey().
		SessionBy(windowing.Sessions(ms(7)).WithGrace(ms(3))).
		Reduce("red", reduce).
		ToStream().To(sessions("out", textSerde))
}

func moreSuppressGroup(p *plan) {
	p.b.Table(texts("tab"), "tab", dsl.Uncached()).
		Suppress(dsl.Every(ms(15)).MaxRecords(2)).
		GroupBy(byFirst).
		Count("c", dsl.Uncached()).
		ToStream().To(counts("out"))
}

func moreGroupSuppress(p *plan) {
	p.b.Table(texts("tab"), "tab").
		GroupBy(byFirst).
		Reduce("red", reduce, unreduce).
		Suppress(dsl.Every(ms(5)).MaxRecords(2)).
		ToStream().To(texts("out"))
}

func moreSuppressCloseGroup(p *plan) {
	dsl.FinalOnly(p.grouped().
		WindowedBy(windowing.Tumbling(ms(6)).WithGrace(ms(6))).
		Count("cnt")).
		GroupBy(byWindowKey).
		Aggregate("sum", nought, plus, minus).
		ToStream().To(counts("out"))
}

func moreSuppressJoin(p *plan) {
	in, tab := p.b.Stream(texts("in")), p.b.Table(texts("tab"), "tab", dsl.Uncached())
	in.GroupByKey().
		Reduce("red", reduce, dsl.Uncached()).
		Suppress(dsl.Every(ms(12)).MaxRecords(3), dsl.Named("sup")).
		OuterJoin(tab, outerJoin).
		ToStream().To(texts("out"))
}

func moreFKLeftGroup(p *plan) {
	l, r := p.lr(dsl.Uncached())
	j := l.LeftJoinOn("fk", r, fk, leftJoin)
	j.GroupBy(func(_, v text) (text, text) {
		if strings.HasSuffix(*v, ",null]") {
			return new("without"), v
		}
		return new("with"), v
	}).
		Count("c", dsl.Uncached()).
		ToStream().To(counts("c"))
	j.Filter(func(_, v text) bool { return len(*v)%2 == 0 }).ToStream().To(texts("out"))
}

func moreFKInnerCached(p *plan) {
	l, r := p.lr()
	l.Filter(func(_, v text) bool { return !strings.HasSuffix(*v, "5") }).
		JoinOn("fk", r.MapValues(suffix("!")), fk, join, dsl.Stored("j")).
		ToStream().To(texts("out"))
}

func moreFKTwice(p *plan) {
	l, r := p.lr(dsl.Uncached())
	l.JoinOn("fk", r, fk, func(l, r text) text { return new(show(l) + ";" + show(r)) }).
		LeftJoinOn("fk2", r, fk, leftJoin, dsl.Stored("j"), dsl.Uncached()).
		ToStream().To(texts("out"))
}

func moreFKVersioned(p *plan) {
	l, r := p.lr(dsl.Versioned(ms(300)))
	l.LeftJoinOn("fk", r, fk, leftJoin, dsl.Stored("j"), dsl.Uncached()).ToStream().To(texts("out"))
}

func moreOuterGroup(p *plan) {
	l, r := p.lr(dsl.Uncached())
	l.OuterJoin(r, outerJoin).
		GroupBy(func(k, v text) (text, text) { return beforeLast(k, v), v }).
		Aggregate("agg", empty, appendTo, subtract, dsl.Uncached()).
		ToStream().To(texts("out"))
}

func moreFilterJoinGroup(p *plan) {
	l, r := p.b.Table(texts("l"), "l", dsl.Uncached()), p.b.TableOf(texts("r"))
	l.Filter(endsEven).
		Join(r.MapValues(suffix("!")), join).
		GroupBy(func(k, v text) (text, text) { return new(show(k) + "g"), v }).
		Aggregate("agg", empty, appendTo, subtract).
		ToStream().To(texts("out"))
}

func moreJoinFilterLeft(p *plan) {
	x, y := p.b.Table(texts("x"), "x"), p.b.Table(texts("y"), "y", dsl.Uncached())
	z := p.b.TableOf(texts("z"))
	x.OuterJoin(y, outerJoin).
		LeftJoin(z.Filter(endsEven), leftJoin).
		FilterNot(func(_, v text) bool { return strings.Contains(*v, "3") }, dsl.Stored("o"), dsl.Uncached()).
		ToStream().To(texts("out"))
}

func moreCachedChain(p *plan) {
	l, r := p.lr()
	f := l.Filter(endsEven, dsl.Stored("f"))
	f.ToStream().To(texts("f"))
	f.LeftJoin(r, leftJoin, dsl.Stored("j")).
		GroupBy(func(k, v text) (text, text) { return beforeLast(k, v), v }).
		Reduce("red", reduce, unreduce).
		ToStream().To(texts("out"))
}

func moreVersionedLeft(p *plan) {
	l, r := p.b.Table(texts("l"), "l", dsl.Versioned(ms(80))), p.b.Table(texts("r"), "r", dsl.Uncached())
	l.LeftJoin(r, leftJoin, dsl.Stored("j")).ToStream().To(texts("out"))
}

func moreVersionedOuter(p *plan) {
	l, r := p.b.Table(texts("l"), "l", dsl.Versioned(ms(100))), p.b.Table(texts("r"), "r", dsl.Versioned(ms(40)))
	l.OuterJoin(r, outerJoin).ToStream().To(texts("out"))
}

func moreVersionedFilterGroup(p *plan) {
	grouped := p.b.Table(texts("tab"), "v", dsl.Versioned(ms(120))).Filter(endsEven).GroupBy(byFirst)
	grouped.Aggregate("agg", empty, appendTo, subtract, dsl.Uncached()).ToStream().To(texts("out"))
	grouped.Count("cnt", dsl.Uncached()).ToStream().To(counts("cnt"))
}

func moreStreamVersionedInnerGrace(p *plan) {
	s, t := p.b.Stream(texts("s")), p.b.Table(texts("t"), "v", dsl.Versioned(ms(100)))
	s.JoinTable(t, join, dsl.JoinGrace(ms(10)), dsl.Named("gj")).To(texts("out"))
}

func moreGlobalCount(p *plan) {
	g, s := p.b.GlobalTable(texts("g"), "g-store"), p.b.Stream(texts("s"))
	s.LeftJoinGlobal(g, func(_, v text) text { return v }, leftJoin).
		SelectKey(beforeLast).
		GroupByKey().
		Count("c", dsl.Uncached()).
		ToStream().To(counts("out"))
}

func moreToTableJoin(p *plan) {
	in, tab := p.b.Stream(texts("in")), p.b.Table(texts("tab"), "tab")
	in.ToTable("t").LeftJoin(tab, leftJoin).ToStream().To(texts("out"))
}

func moreCountJoinSelf(p *plan) {
	in := p.b.Stream(texts("in"))
	c := in.GroupByKey().Count("c")
	in.LeftJoinTable(c, func(v text, n dsl.Maybe[int64]) text { return join(v, optional(n)) }).To(texts("out"))
}

func moreTableOptimised(p *plan) {
	t := p.b.Table(texts("tab"), "tab")
	t.ToStream().To(texts("out"))
	t.Filter(endsEven).MapValues(suffix("?")).ToStream().To(texts("f"))
}

func moreStreamOuterMemory(p *plan) {
	l, r := p.leftRight()
	l.OuterJoin("join", r, windowing.Within(ms(6)).WithGrace(ms(3)).WithAfter(ms(14)), outerJoin, dsl.InMemory()).
		To(texts("out"))
}

func moreStreamJoinChain(p *plan) {
	l, r := p.leftRight()
	third := p.b.Stream(texts("third"))
	l.Join("first", r, windowing.Within(ms(5)).WithGrace(ms(5)), join).
		LeftJoin("second", third, windowing.Within(ms(10)), leftJoin).
		To(texts("out"))
}

func moreStreamSelfLeft(p *plan) {
	s := p.b.Stream(texts("in"))
	s.LeftJoin("self", s, windowing.Within(ms(4)).WithGrace(ms(2)), leftJoin).To(texts("out"))
}
