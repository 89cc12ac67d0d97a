package main

import (
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/thalweg/thalweg/dsl"
	"github.com/thalweg/thalweg/serde"
	"github.com/thalweg/thalweg/topology"
	"github.com/thalweg/thalweg/windowing"
)

// suffixes are added to topic names, so that runs do not meet.
type suffixes struct{ in, out string }

func source[V any](s suffixes, name string, v serde.Serde[V]) topology.Topic[string, V] {
	return topology.NewTopic(name+s.in, serde.String, v)
}

func sink[V any](s suffixes, name string, v serde.Serde[V]) topology.Topic[string, V] {
	return topology.NewTopic(name+s.out, serde.String, v)
}

// programs are the measured topologies by name.
var programs = map[string]func(suffixes, *dsl.Builder){
	"stateless": stateless,
	"weather":   weather,
	"wordcount": wordcount,
	"join":      join,
	"fkjoin":    foreignKeyJoin,
	"keycount":  keycount,
}

func build(name string, s suffixes) (*topology.Topology, error) {
	program, ok := programs[name]
	if !ok {
		names := make([]string, 0, len(programs))
		for n := range programs {
			names = append(names, n)
		}
		slices.Sort(names)
		return nil, fmt.Errorf("no program %q: there are %s", name, strings.Join(names, ", "))
	}
	b := dsl.NewBuilder().DefaultJSON()
	program(s, b)
	return b.Build()
}

// stateless converts plausible readings to Celsius.
func stateless(s suffixes, b *dsl.Builder) { inJSON.converted(s, b) }

// weather is stateless, and the mean of each station and minute.
func weather(s suffixes, b *dsl.Builder) { inJSON.weather(s, b) }

// formats is how the weather's messages are written.
type formats struct {
	raw     serde.Serde[rawReading]
	reading serde.Serde[reading]
	average serde.Serde[average]
}

var inJSON = formats{serde.JSON[rawReading](), serde.JSON[reading](), serde.JSON[average]()}

func (f formats) converted(s suffixes, b *dsl.Builder) dsl.Stream[string, reading] {
	ok := b.Stream(source(s, "raw_weather_topic", f.raw)).
		Filter(valid).
		MapValues(celsius)
	ok.To(sink(s, "processed_weather_topic", f.reading))
	return ok
}

func (f formats) weather(s suffixes, b *dsl.Builder) {
	b.Use(sums)
	f.converted(s, b).
		GroupByKey().
		WindowedBy(windowing.Tumbling(time.Minute).WithGrace(10*time.Minute)).
		Aggregate("weather-avg",
			func() sum { return sum{} },
			func(_ string, r reading, a sum) sum { return sum{a.Count + 1, a.CentiC + round(r.TempC*100)} },
			dsl.Retention(24*time.Hour)).
		ToStream().
		Map(func(w windowing.Windowed[string], a sum) (string, average) {
			return w.Key + "@" + strconv.FormatInt(w.Start, 10), average{
				w.Key, w.Start, w.End, a.Count, a.CentiC, float64(round(float64(a.CentiC)/float64(a.Count))) / 100,
			}
		}).
		To(sink(s, "weather_averages", f.average))
}

// wordcount counts lower-case words, through a repartition topic.
func wordcount(s suffixes, b *dsl.Builder) {
	b.Stream(source(s, "wc_lines", serde.String)).
		MapValues(strings.ToLower).
		FlatMapValues(func(line string) iter.Seq[string] { return strings.SplitSeq(line, " ") }).
		GroupBy(dsl.Value).
		Count("counts").
		ToStream().
		To(sink(s, "wc_counts", serde.Int64))
}

// join pairs each payment with its order, at most five minutes apart.
func join(s suffixes, b *dsl.Builder) {
	payments := b.Stream(source(s, "payments", serde.JSON[payment]()))
	b.Stream(source(s, "orders", serde.JSON[order]())).
		Join("pay", payments, windowing.Within(5*time.Minute).WithGrace(5*time.Minute), func(o order, p payment) paid {
			return paid{o.Order, o.AmountCents, p.PaidCents, o.TS, p.TS, p.TS - o.TS}
		}).
		To(sink(s, "order_payments", serde.JSON[paid]()))
}

// foreignKeyJoin gives each order its customer's name and region, also when
// those change.
func foreignKeyJoin(s suffixes, b *dsl.Builder) {
	customers := b.Table(source(s, "fk_customers", serde.JSON[customer]()), "customers")
	b.Table(source(s, "fk_orders", serde.JSON[tableOrder]()), "orders").
		JoinOn("enrich", customers,
			func(_ string, o tableOrder) (string, bool) { return o.Customer, true },
			func(o tableOrder, c customer) enriched {
				return enriched{o.Order, o.Customer, o.AmountCents, c.Name, c.Region}
			},
			dsl.Stored("enriched")).
		ToStream().
		To(sink(s, "fk_enriched", serde.JSON[enriched]()))
}

// keycount logs each count: it fills the changelog that is restored.
func keycount(s suffixes, b *dsl.Builder) {
	b.Stream(source(s, "raw_weather_topic", serde.Bytes)).
		GroupByKey().
		Count("counts", dsl.Uncached())
}
