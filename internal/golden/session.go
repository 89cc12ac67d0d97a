package golden

import (
	"github.com/thalweg/thalweg/dsl"
	"github.com/thalweg/thalweg/serde"
	"github.com/thalweg/thalweg/windowing"
)

func sessionCount(p *plan) {
	p.grouped().
		SessionBy(windowing.Sessions(ms(10)).WithGrace(ms(10))).
		Count("cnt", dsl.Retention(day), dsl.Uncached()).
		ToStream().To(sessions("out", serde.Int64))
}

func sessionAggregate(p *plan) {
	p.grouped().
		SessionBy(windowing.Sessions(ms(6)).WithGrace(ms(40))).
		Aggregate("agg", empty, appendTo, merge, dsl.Retention(day), dsl.Uncached()).
		ToStream().To(sessions("out", textSerde))
}

func sessionReduceCached(p *plan) {
	p.grouped().
		SessionBy(windowing.Sessions(ms(10)).WithGrace(ms(30))).
		Reduce("red", reduce).
		ToStream().To(sessions("out", textSerde))
}

func sessionInMemory(p *plan) {
	p.groupedLongs().
		SessionBy(windowing.Sessions(ms(10))).
		Aggregate("mem", zero, add,
			func(_ text, a, b long) long { return new(*a + *b) },
			dsl.InMemory(), dsl.Retention(ms(200)), dsl.Uncached()).
		ToStream().To(sessions("out", longSerde))
}

func sessionEmitFinal(p *plan) {
	p.grouped().
		SessionBy(windowing.Sessions(ms(8)).WithGrace(ms(4))).
		EmitOnClose().
		Aggregate("agg", empty, appendTo, merge, dsl.Retention(day), dsl.Uncached()).
		ToStream().To(sessions("out", textSerde))
}
