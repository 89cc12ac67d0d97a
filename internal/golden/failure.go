package golden

import (
	"errors"

	"github.com/thalweg/thalweg/processor"
)

func decodeDeadLetter(p *plan) {
	p.b.Stream(longs("in")).
		MapValues(func(v long) long { return new(orZero(v) * 2) }).
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
