package golden

import (
	"github.com/thalweg/thalweg/dsl"
)

func tableSourceFilter(p *plan) {
	tab := p.b.Table(texts("tab"), "tab", dsl.Uncached())
	tab.ToStream().To(texts("raw"))
	tab.Filter(endsEven).ToStream().To(texts("even"))
	tab.FilterNot(startsX, dsl.Stored("notx"), dsl.Uncached()).ToStream().To(texts("notx"))
}

func tableFilterUnmaterialized(p *plan) {
	tab := p.b.TableOf(texts("tab"))
	tab.Filter(endsEven).ToStream().To(texts("even"))
	tab.MapValues(suffix("!")).FilterNot(startsX).ToStream().To(texts("notx"))
}

func tableMapValuesChain(p *plan) {
	mapped := p.b.TableOf(texts("tab")).
		MapValuesWithKey(func(k, v text) text { return new(show(v) + "@" + show(k)) })
	mapped.
		MapValues(upper, dsl.Stored("upper"), dsl.Uncached()).
		Filter(func(_, v text) bool { return v != nil && !(len(*v) > 1 && (*v)[1] == '7') }, dsl.Stored("f")).
		ToStream().To(texts("out"))
	mapped.
		ToStream().SelectKey(func(_, v text) text {
		if v == nil {
			return new("nil")
		}
		return v
	}).
		To(texts("bykey"))
}

func tableFromStream(p *plan) {
	in := p.b.Stream(texts("in"))
	in.ToTable("t1", dsl.Uncached()).ToStream().To(texts("t1"))
	in.SelectKey(firstOr("z")).ToTable("t2", dsl.Uncached()).ToStream().To(texts("t2"))
}

func tableSourceOptimized(p *plan) {
	p.b.Table(texts("tab"), "tab", dsl.Uncached()).
		MapValues(suffix("!")).
		ToStream().To(texts("out"))
}

func tableVersionedSource(p *plan) {
	tab := p.b.Table(texts("tab"), "v", dsl.Versioned(ms(50)))
	tab.ToStream().To(texts("raw"))
	tab.Filter(endsEven).ToStream().To(texts("even"))
	tab.MapValues(suffix("!"), dsl.Stored("m"), dsl.Uncached()).ToStream().To(texts("mapped"))
}
