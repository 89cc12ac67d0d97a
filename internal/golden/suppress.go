package golden

import (
	"github.com/thalweg/thalweg/dsl"
	"github.com/thalweg/thalweg/serde"
	"github.com/thalweg/thalweg/windowing"
)

func suppressWindowClose(opts ...dsl.StoreOption) func(*plan) {
	return func(p *plan) {
		dsl.FinalOnly(p.grouped().
			WindowedBy(windowing.Tumbling(ms(10)).WithGrace(ms(5))).
			Count("cnt", opts...), dsl.Named("sup")).
			ToStream().To(timed("out", 10, serde.Int64))
	}
}

func suppressTimeLimit(p *plan) {
	p.b.Table(texts("tab"), "tab", dsl.Uncached()).
		Suppress(dsl.Every(ms(10)).MaxRecords(1000), dsl.Named("sup")).
		ToStream().To(texts("out"))
}

func suppressMaxRecords(p *plan) {
	p.b.Table(texts("tab"), "tab", dsl.Uncached()).
		Suppress(dsl.Every(ms(1000)).MaxRecords(3)).
		MapValues(suffix("!")).
		ToStream().To(texts("out"))
}

func suppressTimeLimitZero(p *plan) {
	p.grouped().
		Aggregate("agg", empty, appendTo, dsl.Uncached()).
		Suppress(dsl.Every(0).MaxRecords(100), dsl.Named("s0")).
		ToStream().To(texts("out"))
}

func suppressWindowedTimeLimit(p *plan) {
	p.grouped().
		WindowedBy(windowing.Hopping(ms(10), ms(5)).WithGrace(ms(20))).
		Count("cnt", dsl.Uncached()).
		Suppress(dsl.Every(ms(8)).MaxRecords(6), dsl.Named("sup")).
		ToStream().To(timed("out", 10, serde.Int64))
}

func suppressSessionClose(p *plan) {
	dsl.FinalOnly(p.grouped().
		SessionBy(windowing.Sessions(ms(8)).WithGrace(ms(6))).
		Aggregate("ses", empty, appendTo, merge, dsl.Uncached()), dsl.Named("ssup")).
		ToStream().To(sessions("out", textSerde))
}
