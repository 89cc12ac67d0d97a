package golden

import (
	"github.com/thalweg/thalweg/dsl"
	"strings"
)

func streamTableInner(p *plan) {
	s, t := p.b.Stream(texts("s")), p.b.Table(texts("t"), "t")
	s.JoinTable(t, join).To(texts("out"))
}

func withKey(k, l text, r dsl.Maybe[text]) text {
	return new(show(k) + ":" + show(leftJoin(l, r)))
}

func streamTableLeftRepartitioned(p *plan) {
	s, t := p.b.Stream(texts("s")), p.b.Table(texts("t"), "t")
	s.SelectKey(func(_, v text) text {
		if v == nil || strings.HasPrefix(*v, "n") {
			return nil
		}
		return first(nil, v)
	}).
		LeftJoinTableWithKey(t, withKey, dsl.RepartitionAs("slj")).
		To(texts("out"))
}

// lr are the two tables of most table joins.
func (p *plan) lr(opts ...dsl.StoreOption) (l, r dsl.Table[text, text]) {
	l = p.b.Table(texts("l"), "l", opts...)
	return l, p.b.Table(texts("r"), "r", opts...)
}

func tableInner(p *plan) {
	l, r := p.lr(dsl.Uncached())
	l.Join(r, join).ToStream().To(texts("out"))
}

func tableLeft(p *plan) {
	l, r := p.lr(dsl.Uncached())
	l.LeftJoin(r, leftJoin).ToStream().To(texts("out"))
}

func tableOuter(p *plan) {
	l, r := p.lr(dsl.Uncached())
	l.OuterJoin(r, outerJoin).ToStream().To(texts("out"))
}

func tableOuterMaterialized(p *plan) {
	l, r := p.lr()
	l.OuterJoin(r, outerJoin, dsl.Stored("j")).ToStream().To(texts("out"))
}

func tableThreeWay(p *plan) {
	x, y, z := p.b.Table(texts("x"), "x"), p.b.Table(texts("y"), "y"), p.b.Table(texts("z"), "z")
	x.Join(y, join).
		OuterJoin(z, outerJoin, dsl.Stored("xyz")).
		ToStream().To(texts("out"))
}

func tableLeftDownstreamAggregate(p *plan) {
	l, r := p.lr(dsl.Uncached())
	j := l.LeftJoin(r, leftJoin, dsl.Stored("j"), dsl.Uncached())
	j.Filter(func(_, v text) bool { return v != nil && !strings.Contains(*v, "9") }).
		GroupBy(func(_, v text) (text, text) {
			if strings.HasSuffix(show(v), ",null]") {
				return new("without"), v
			}
			return new("with"), v
		}).
		Count("c", dsl.Uncached()).
		ToStream().To(counts("c"))
	j.ToStream().To(texts("out"))
}

func streamGlobalTable(p *plan) {
	g, s := p.b.GlobalTable(texts("g"), "g-store"), p.b.Stream(texts("s"))
	s.JoinGlobal(g, first, join).To(texts("inner"))
	s.LeftJoinGlobalWithKey(g, func(k, _ text) text { return k }, withKey).To(texts("left"))
}

func streamTableVersioned(p *plan) {
	s, t := p.b.Stream(texts("s")), p.b.Table(texts("t"), "v", dsl.Versioned(ms(60)))
	s.LeftJoinTable(t, leftJoin).To(texts("out"))
}

func streamTableVersionedGrace(p *plan) {
	s, t := p.b.Stream(texts("s")), p.b.Table(texts("t"), "v", dsl.Versioned(ms(200)))
	s.LeftJoinTable(t, leftJoin, dsl.JoinGrace(ms(20)), dsl.Named("gj")).To(texts("out"))
}

func tableJoinVersioned(p *plan) {
	l, r := p.lr(dsl.Versioned(ms(500)))
	l.Join(r, join).ToStream().To(texts("out"))
}

func fk(_, v text) (text, bool) { f := foreignKey(v); return f, f != nil }

func fkInner(p *plan) {
	l, r := p.lr(dsl.Uncached())
	l.JoinOn("fk", r, fk, join, dsl.Stored("j"), dsl.Uncached()).ToStream().To(texts("out"))
}

func fkLeft(p *plan) {
	l, r := p.lr(dsl.Uncached())
	l.LeftJoinOn("fk", r, fk, leftJoin, dsl.Stored("j"), dsl.Uncached()).ToStream().To(texts("out"))
}

func fkKeyValueExtractor(p *plan) {
	l, r := p.lr()
	l.LeftJoinOn("fkj", r, func(k, v text) (text, bool) {
		if show(k) == "d" {
			return new("f3"), true
		}
		return fk(k, v)
	}, leftJoin, dsl.Stored("j")).
		ToStream().To(texts("out"))
}

func fkUnmaterialized(p *plan) {
	l, r := p.lr()
	l.JoinOn("fk", r, fk, join).ToStream().To(texts("out"))
}
