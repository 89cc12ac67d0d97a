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
