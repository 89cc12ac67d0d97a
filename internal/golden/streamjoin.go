package golden

import (
	"github.com/thalweg/thalweg/dsl"
	"github.com/thalweg/thalweg/windowing"
)

func (p *plan) leftRight() (l, r dsl.Stream[text, text]) {
	l = p.b.Stream(texts("left"))
	return l, p.b.Stream(texts("right"))
}

func streamInner(w windowing.Join) func(*plan) {
	return func(p *plan) {
		l, r := p.leftRight()
		l.Join("join", r, w, join).To(texts("out"))
	}
}

func streamLeft(w windowing.Join) func(*plan) {
	return func(p *plan) {
		l, r := p.leftRight()
		l.LeftJoin("join", r, w, leftJoin).To(texts("out"))
	}
}

func streamOuter(name string, w windowing.Join) func(*plan) {
	return func(p *plan) {
		l, r := p.leftRight()
		l.OuterJoin(name, r, w, outerJoin).To(texts("out"))
	}
}

func streamLeftRepartitioned(p *plan) {
	l, r := p.leftRight()
	rekeyed := r.Map(func(_, v text) (text, text) {
		if v == nil {
			return nil, new("nul")
		}
		return first(nil, v), new(*v + "r")
	})
	l.SelectKey(first).
		LeftJoinWithKey("lj", rekeyed, windowing.Within(ms(10)).WithGrace(ms(10)),
			func(k, l text, r dsl.Maybe[text]) text { return new(show(k) + ":" + show(leftJoin(l, r))) },
			dsl.InMemory()).
		To(texts("out"))
}

func streamSelf(p *plan) {
	s := p.b.Stream(texts("in"))
	s.Join("self", s, windowing.Within(ms(10)).WithGrace(ms(3)), join).To(texts("out"))
}
