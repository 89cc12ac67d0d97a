package golden

import (
	"iter"
	"strings"

	"github.com/thalweg/thalweg/dsl"
	"github.com/thalweg/thalweg/processor"
)

func statelessFilterMap(p *plan) {
	p.b.Stream(longs("in")).
		Filter(func(_ text, v long) bool { return v == nil || *v >= 0 }).
		FilterNot(func(_ text, v long) bool { return v != nil && *v == 13 }).
		Map(func(k text, v long) (text, long) {
			key := new("NULL")
			if k != nil {
				key = new(strings.ToUpper(*k))
			}
			if v == nil {
				return key, nil
			}
			return key, new(*v + 1)
		}).
		MapValues(func(v long) long {
			if v == nil {
				return nil
			}
			return new(*v * 10)
		}).
		To(longs("out"))
}

func words(v text) []string {
	if v == nil {
		return nil
	}
	return strings.Split(*v, " ")
}

func statelessFlatMap(p *plan) {
	in := p.b.Stream(texts("in"))
	in.
		FlatMap(func(k, v text) iter.Seq2[text, text] {
			return func(yield func(text, text) bool) {
				for i, w := range words(v) {
					if w != "" && !yield(&w, new(show(k)+num(int64(i)))) {
						return
					}
				}
			}
		}).
		FlatMapValuesWithKey(func(k, v text) iter.Seq[text] {
			return func(yield func(text) bool) {
				if !startsX(nil, k) && yield(v) {
					yield(new(show(k) + ":" + show(v)))
				}
			}
		}).
		MapValuesWithKey(func(k, v text) text { return new(show(v) + "|" + show(k)) }).
		To(texts("out"))
	in.
		FlatMapValues(func(v text) iter.Seq[text] {
			return func(yield func(text) bool) {
				for _, w := range words(v) {
					if !yield(&w) {
						return
					}
				}
			}
		}).
		To(texts("out2"))
}

func statelessSelectKeyPeekMerge(p *plan) {
	in1, in2 := p.b.Stream(texts("in1")), p.b.Stream(texts("in2"))
	one := in1.SelectKey(first)
	two := in2.
		Peek(func(text, text) {}).
		MapValues(func(v text) text { return new("m:" + show(v)) })
	one.Merge(two).
		FilterNot(func(k, v text) bool { return k == nil && v == nil }).
		To(texts("out"))
}

func statelessBranch(p *plan) {
	in := p.b.Stream(longs("in"))
	is := func(f func(int64) bool) func(text, long) bool {
		return func(_ text, v long) bool { return v != nil && f(*v) }
	}
	split := in.Split(dsl.Named("br-"))
	neg := split.Case("neg", is(func(v int64) bool { return v < 0 })).
		MapValues(func(v long) long { return new(*v * -1) })
	split.Case("even", is(func(v int64) bool { return v%2 == 0 })).To(longs("even"))
	big := split.Case("big", is(func(v int64) bool { return v > 50 }))
	rest := split.Default("rest")
	neg.To(longs("neg"))
	big.To(longs("big"))
	rest.To(longs("rest"))

	in.Split().Case("seven", is(func(v int64) bool { return v == 7 })).
		MapValues(func(v long) long { return new(*v + 700) }).
		To(longs("seven"))
}

func statelessRepartition(p *plan) {
	in := p.b.Stream(texts("in"))
	in.
		SelectKey(func(_, v text) text {
			if v == nil {
				return new("n")
			}
			return new(last(*v))
		}).
		Repartition("rp").
		MapValues(suffix("!")).
		To(texts("out"))
	in.Repartition("in-again").To(texts("out2"))
}

func statelessToDynamic(p *plan) {
	in := p.b.Stream(texts("in"))
	in.ToFunc(texts(""), func(_ *processor.Context, r processor.Record[text, text]) (string, error) {
		switch _, routed := r.Headers.Get("route"); {
		case routed:
			return "out-hdr", nil
		case r.Value == nil:
			return "out-null", nil
		}
		return "out-" + *first(nil, r.Value), nil
	})
	in.ToFunc(texts(""), func(c *processor.Context, _ processor.Record[text, text]) (string, error) {
		if c.Offset()%2 == 0 {
			return "par-even", nil
		}
		return "par-odd", nil
	})
}

// markSeen forwards two records for each, with headers of their own.
type markSeen struct{}

func (markSeen) Process(_ *processor.Context, r processor.Record[text, text], out *processor.Out[text, text]) error {
	if r.Value == nil {
		return nil
	}
	a := r
	a.Headers = r.Headers.With("seen", []byte(*r.Value))
	if err := out.Forward(a); err != nil {
		return err
	}
	b := r
	b.Key, b.Value, b.Timestamp = new(show(r.Key)+"2"), new(strings.ToUpper(*r.Value)), r.Timestamp+5
	b.Headers = r.Headers.Without("h1")
	return out.Forward(b)
}

// countHeaders is a fixed-key processor.
type countHeaders struct{}

func (countHeaders) Process(_ *processor.Context, r processor.Record[text, text], out *processor.ValueOut[text]) error {
	if r.Value != nil && strings.HasSuffix(*r.Value, "7") {
		return nil
	}
	return out.Forward(new(show(r.Value) + "#" + num(int64(len(r.Headers)))))
}

type timeAndOffset struct{}

func (timeAndOffset) Process(c *processor.Context, r processor.Record[text, text], out *processor.ValueOut[text]) error {
	if err := out.Forward(new("t" + num(r.Timestamp))); err != nil {
		return err
	}
	return out.ForwardAt(new("o"+num(c.Offset())), r.Timestamp+1, r.Headers)
}

func statelessProcessHeaders(p *plan) {
	in := p.b.Stream(texts("in"))
	in.
		Process("mark", func() markSeen { return markSeen{} }).
		ProcessValues("count", func() countHeaders { return countHeaders{} }).
		To(texts("out"))
	in.
		ProcessValues("when", func() timeAndOffset { return timeAndOffset{} }).
		To(texts("out2"))
}

func statelessMultiTopicSource(p *plan) {
	mapped := p.b.Stream(texts("in1"), texts("in2")).
		MapValuesWithKey(func(k, v text) text { return new(show(k) + "=" + show(v)) })
	mapped.ToFunc(texts(""), func(c *processor.Context, _ processor.Record[text, text]) (string, error) {
		return "from-" + c.Topic(), nil
	})
	mapped.ForEach(func(text, text) {})
}

func headersThroughStateful(p *plan) {
	in := p.b.Stream(texts("in"))
	in.GroupByKey().Count("cnt").ToStream().To(counts("counts"))
	in.SelectKey(first).GroupByKey().Reduce("red", reduce).ToStream().To(texts("reduced"))
	tab := p.b.Table(texts("tab"), "tab-store")
	in.LeftJoinTable(tab, leftJoin).To(texts("joined"))
	tab.ToStream().To(texts("tabout"))
}
