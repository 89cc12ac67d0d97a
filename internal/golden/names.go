package golden

import (
	"strings"

	"github.com/thalweg/thalweg/dsl"
	"github.com/thalweg/thalweg/windowing"
)

func mapM(k, v text) (text, text) { return k, new(show(v) + "m") }

func notNull(_, v text) bool { return v != nil }

func labelled(n int64) text { return new("n" + num(n)) }

// namesDefault has names where ours are required. Both joins of s2 share its
// repartition topic, as they do in Kafka Streams when it has no name.
func namesDefault(p *plan) {
	in1, in2 := p.b.Stream(texts("in1")), p.b.Stream(texts("in2"))
	s1 := in1.Filter(notNull).SelectKey(first)
	s2 := in2.Map(mapM).Repartition("s2")
	s1.GroupByKey().Count("count").ToStream().MapValues(labelled).To(texts("c"))
	s2.Join("join", s1, windowing.Within(ms(10)), join).To(texts("j"))
	t := s1.ToTable("table")
	s2.LeftJoinTable(t, leftJoin).To(texts("lj"))
	s1.GroupBy(func(k, _ text) text { return new(show(k) + "x") }).
		WindowedBy(windowing.Tumbling(ms(10))).
		Reduce("windows", reduce).
		ToStream().SelectKey(func(w windowed, _ text) text { return winKey(w) }).
		To(texts("w"))
}

func namesExplicit(p *plan) {
	in1, in2 := p.b.StreamNamed("src1", texts("in1")), p.b.StreamNamed("src2", texts("in2"))
	keyed := in1.Filter(notNull, dsl.Named("f")).SelectKey(first, dsl.Named("sk"))
	keyed.GroupByKey(dsl.RepartitionAs("grp")).
		Count("cnt-store", dsl.Named("cnt")).
		ToStream(dsl.Named("ts")).
		MapValues(labelled, dsl.Named("mv")).
		To(texts("c"), dsl.Named("snk"))
	mapped := in2.Map(mapM, dsl.Named("mp"))
	mapped.Join("sj", keyed, windowing.Within(ms(10)), join, dsl.StoresAs("sjstore")).To(texts("j"), dsl.Named("snk2"))
	tab := p.b.Table(texts("tab"), "tabstore", dsl.Named("tsrc")).
		Filter(func(_, v text) bool { return v != nil && !strings.Contains(*v, "9") }, dsl.Named("tf"), dsl.Stored("tfstore"))
	mapped.LeftJoinTable(tab, leftJoin, dsl.Named("stj"), dsl.RepartitionAs("stj")).To(texts("lj"), dsl.Named("snk3"))
	split := in2.Split(dsl.Named("spl"))
	one := split.Case("-one", func(_, v text) bool { return v != nil && strings.Contains(*v, "1") })
	one.Merge(split.Default("-rest"), dsl.Named("mrg")).
		Peek(func(text, text) {}, dsl.Named("pk")).
		To(texts("m"), dsl.Named("snk4"))
}

// mergeRepartition has four consumers of one re-keyed stream.
func mergeRepartition(p *plan) {
	s := p.b.Stream(texts("in")).SelectKey(first)
	s.MapValues(func(v text) text { return new(strings.ToUpper(show(v))) }).
		GroupByKey().Count("cnt").ToStream().To(counts("c"))
	s.GroupByKey().Reduce("red", reduce).ToStream().To(texts("r"))
	s.Filter(endsEven).
		GroupByKey().
		WindowedBy(windowing.Tumbling(ms(10))).
		Count("win").
		ToStream().SelectKey(func(w windowed, _ int64) text { return winKey(w) }).
		To(counts("w"))
	tab := p.b.Table(texts("tab"), "tabs")
	s.LeftJoinTable(tab, leftJoin, dsl.RepartitionAs("join")).To(texts("j"))
}

func reuseTable(p *plan) {
	t := p.b.TableOf(texts("tab"))
	t.LeftJoin(t.Filter(endsEven), leftJoin).ToStream().To(texts("out"))
	p.b.Stream(texts("tab2")).JoinTable(t, join).To(texts("j"))
}
