package golden

import (
	"github.com/thalweg/thalweg/dsl"
	"github.com/thalweg/thalweg/serde"
	"github.com/thalweg/thalweg/topology"
	"github.com/thalweg/thalweg/windowing"
	"strconv"
	"strings"
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

// timeInValue reads "t<number>/..." .
func timeInValue(r topology.RecordInfo[text, text]) (int64, error) {
	if r.Value == nil || !strings.HasPrefix(*r.Value, "t") {
		return r.Timestamp, nil
	}
	digits, _, ok := strings.Cut((*r.Value)[1:], "/")
	n, err := strconv.ParseInt(digits, 10, 64)
	if !ok || err != nil {
		return r.Timestamp, nil
	}
	return n, nil
}

func timeCustomExtractor(p *plan) {
	in := p.b.Stream(texts("in").WithTime(timeInValue).OnInvalidTime(topology.SkipInvalidTime))
	in.MapValues(func(v text) text { return v }).To(texts("out"))
	in.GroupByKey().
		WindowedBy(windowing.Tumbling(ms(10))).
		Count("c", dsl.Retention(day), dsl.Uncached()).
		ToStream().To(timed("counts", 10, serde.Int64))
}
