package golden

import (
	"strings"

	"github.com/thalweg/thalweg/dsl"
)

func countUncached(p *plan) {
	p.b.Stream(texts("in")).GroupByKey().Count("counts", dsl.Uncached()).ToStream().To(counts("out"))
}

func countCached(p *plan) {
	p.b.Stream(texts("in")).GroupByKey().Count("counts").ToStream().To(counts("out"))
}

func reduceGroupBy(p *plan) {
	p.b.Stream(texts("in")).
		GroupBy(firstOr("n")).
		Reduce("red", reduce).
		ToStream().To(texts("out"))
}

// sumUnlessZero deletes the sum at a zero.
func sumUnlessZero(_ text, v, sum long) long {
	if v == nil || *v == 0 {
		return nil
	}
	return new(*sum + *v)
}

func aggregateNullResult(opts ...dsl.StoreOption) func(*plan) {
	return func(p *plan) {
		p.b.Stream(longs("in")).
			GroupByKey().
			Aggregate("sum", zero, sumUnlessZero, opts...).
			ToStream().To(longs("out"))
	}
}

func reduceInMemoryChain(p *plan) {
	app := p.b.Stream(texts("in")).
		GroupByKey().
		Aggregate("app", empty, appendTo, dsl.InMemory())
	app.
		Filter(func(_, v text) bool { return len(*v)%2 == 0 }).
		MapValues(func(v text) long { return new(int64(len(*v))) }).
		ToStream().To(longs("len"))
	app.ToStream().
		GroupBy(func(_, v text) text { return new(string([]rune(*v)[1])) }).
		Count("byfirst", dsl.InMemory()).
		ToStream().To(counts("byfirst"))
}

func upper(v text) text {
	if v == nil {
		return nil
	}
	return new(strings.ToUpper(*v))
}

// tag wraps a value of one input of a cogroup.
func tag(before, after string) func(_, v, sum text) text {
	return func(_, v, sum text) text { return new(show(sum) + before + show(v) + after) }
}

func cogroupPlain(p *plan) {
	a, b, c := p.b.Stream(texts("a")), p.b.Stream(texts("b")), p.b.Stream(texts("c"))
	a.GroupByKey().
		Cogroup(tag("a(", ")")).
		And(b.GroupByKey(), tag("b(", ")")).
		And(c.GroupBy(first), tag("c(", ")")).
		Aggregate("cg", empty, dsl.Uncached()).
		ToStream().To(texts("out"))
}
