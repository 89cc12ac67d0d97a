package golden

import (
	"github.com/thalweg/thalweg/dsl"
	"github.com/thalweg/thalweg/processor"
	"github.com/thalweg/thalweg/serde"
	"github.com/thalweg/thalweg/state"
	"strings"
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

func tableFilterDownstreamAggregate(p *plan) {
	p.b.Table(longs("tab"), "tab", dsl.Uncached()).
		Filter(func(_ text, v long) bool { return v != nil && *v >= 50 }).
		GroupBy(func(_ text, v long) (text, long) { return new("all"), v }).
		Count("n", dsl.Uncached()).
		ToStream().To(counts("n"))
}

func byFirst(k, v text) (text, text) { return first(k, v), v }

func tableGroupByAggregate(p *plan) {
	p.b.Table(texts("tab"), "tab").
		GroupBy(byFirst).
		Aggregate("agg", empty, appendTo, subtract, dsl.Uncached()).
		ToStream().To(texts("out"))
}

func tableGroupByNullSelector(p *plan) {
	p.b.Table(texts("tab"), "tab", dsl.Uncached()).
		GroupBy(func(k, v text) (text, text) {
			switch {
			case strings.HasPrefix(*v, "n"):
				return nil, v
			case strings.HasPrefix(*v, "m"):
				return first(k, v), nil
			}
			return first(k, v), v
		}).
		Reduce("red", reduce, unreduce, dsl.Uncached()).
		ToStream().To(texts("out"))
}

func tableGroupByCountSum(p *plan) {
	byParity := p.b.Table(longs("tab"), "tab").
		GroupBy(func(_ text, v long) (text, long) {
			if *v%2 == 0 {
				return new("even"), v
			}
			return new("odd"), v
		})
	byParity.Count("cnt").ToStream().To(counts("cnt"))
	byParity.Aggregate("sum", zero, add, sub).ToStream().To(longs("sum"))
}

func tableVersionedGroupBy(p *plan) {
	grouped := p.b.Table(texts("tab"), "v", dsl.Versioned(ms(1000))).GroupBy(byFirst)
	grouped.Aggregate("agg", empty, appendTo, subtract, dsl.Uncached()).ToStream().To(texts("out"))
	grouped.Count("cnt", dsl.Uncached()).ToStream().To(counts("cnt"))
}

var seen = state.KeyValue("seen", textSerde, serde.Int64)

// numbered appends to a value how many it is of its key.
type numbered struct{ seen *state.KV[text, int64] }

func (n *numbered) Init(c *processor.Context) error {
	n.seen = seen.In(c)
	return nil
}

func (n *numbered) Transform(_ *processor.Context, k text, v dsl.Maybe[text]) (row dsl.Maybe[text], err error) {
	count, _, err := n.seen.Get(k)
	if err != nil {
		return row, err
	}
	count++
	if err := n.seen.Put(k, count); err != nil {
		return row, err
	}
	if v.OK {
		row.Value, row.OK = new(*v.Value+"#"+num(count)), true
	}
	return row, nil
}

func tableTransformValues(p *plan) {
	p.b.Table(texts("tab"), "tab", dsl.Uncached()).
		TransformValues("number", func() *numbered { return new(numbered) }, dsl.Stored("tv"), dsl.Uncached(), dsl.Using(seen)).
		ToStream().To(texts("out"))
}
