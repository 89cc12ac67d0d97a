package golden

import (
	"github.com/thalweg/thalweg/dsl"
	"github.com/thalweg/thalweg/topology"
)

func timeFailOnInvalid(p *plan) {
	p.b.Stream(texts("in")).MapValues(suffix(".")).To(texts("out"))
}

func timePartitionTime(p *plan) {
	p.b.Stream(texts("in").OnInvalidTime(topology.PartitionTimeForInvalid)).To(texts("out"))
}

func choiceByTimestamp(p *plan) {
	l, r := p.b.Stream(texts("l")), p.b.Stream(texts("r"))
	l.MapValues(func(v text) text { return new("L" + show(v)) }).
		Merge(r.MapValues(func(v text) text { return new("R" + show(v)) })).
		To(texts("out"))
}

func timeSkip(p *plan) {
	p.b.Stream(texts("in").OnInvalidTime(topology.SkipInvalidTime)).
		GroupByKey().
		Reduce("red", reduce, dsl.Uncached()).
		ToStream().To(texts("out"))
}

func taskIdle(p *plan) {
	s, t := p.b.Stream(texts("s")), p.b.Table(texts("t"), "t", dsl.Uncached())
	s.JoinTable(t, join).To(texts("out"))
}
