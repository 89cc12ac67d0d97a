package golden

import (
	"errors"
	"strings"

	"github.com/thalweg/thalweg/dsl"
	"github.com/thalweg/thalweg/processor"
	"github.com/thalweg/thalweg/serde"
	"github.com/thalweg/thalweg/topology"
)

func decodeDeadLetter(p *plan) {
	p.b.Stream(longs("in")).
		MapValues(func(v long) long {
			if v == nil {
				return nil
			}
			return new(*v * 2)
		}).
		To(longs("out"))
}

func decodeFail(p *plan) { p.b.Stream(longs("in")).To(longs("out")) }

func processFail(p *plan) {
	p.b.Stream(texts("in")).
		TryMapValues(func(_ *processor.Context, r processor.Record[text, text]) (text, error) {
			if show(r.Value) == "bad" {
				return nil, errors.New("no")
			}
			return new(show(r.Value) + "!"), nil
		}).
		To(texts("out"))
}

func decodeContinue(p *plan) {
	p.b.Stream(longs("in")).
		GroupByKey().
		Aggregate("sum", zero, add, dsl.Uncached()).
		ToStream().To(longs("out"))
}

// noThrees is a serde that cannot encode texts with a 3.
var noThrees = serde.Nullable(serde.Of(
	func(dst []byte, v string) ([]byte, error) {
		if strings.Contains(v, "3") {
			return dst, errors.New("no threes")
		}
		return serde.String.Append(dst, v)
	}, serde.String.Decode))

func produceContinue(p *plan) {
	in := p.b.Stream(texts("in"))
	in.MapValues(suffix(".")).To(topology.NewTopic("out", textSerde, noThrees))
	in.GroupByKey().Count("cnt", dsl.Uncached()).ToStream().To(counts("c"))
}

// boom fails between two forwards.
type boom struct{}

func (boom) Process(_ *processor.Context, r processor.Record[text, text], out *processor.Out[text, text]) error {
	v := show(r.Value)
	r.Value = new("pre:" + v)
	if err := out.Forward(r); err != nil {
		return err
	}
	if strings.HasPrefix(v, "x") {
		return errors.New("boom " + v)
	}
	r.Value, r.Timestamp = new("post:"+v), r.Timestamp+1
	return out.Forward(r)
}

func processContinueDeadLetter(p *plan) {
	p.b.Stream(texts("in")).
		MapValues(suffix(".")).
		Process("boom", func() boom { return boom{} }).
		GroupByKey().
		Reduce("red", func(a, b text) text {
			if strings.Contains(show(b), "7") {
				panic(errors.New("red " + show(b)))
			}
			return reduce(a, b)
		}, dsl.Uncached()).
		ToStream().To(texts("out"))
}
