package dsl_test

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/thalweg/thalweg/dsl"
	"github.com/thalweg/thalweg/serde"
	"github.com/thalweg/thalweg/topology"
)

func customerOf(_ string, o Order) string { return o.Customer }

func ExampleStream_GroupByKey() {
	b := dsl.NewBuilder()
	b.Stream(readings).
		GroupByKey().
		Count("readings-per-airport").
		ToStream().
		ForEach(func(airport string, n int64) { fmt.Println(airport, n) })

	d := drive(b)
	d.Input(readings).Send("JFK", 4)
	d.Input(readings).Send("JFK", 5)
	// Output:
	// JFK 1
	// JFK 2
}

// The repartition topic of GroupBy is called after the store of the aggregation.
func ExampleStream_GroupBy() {
	b := dsl.NewBuilder()
	b.Stream(orders).
		GroupBy(customerOf).
		Count("orders-per-customer").
		ToStream().
		ForEach(func(customer string, n int64) { fmt.Println(customer, n) })

	d := drive(b)
	d.Input(orders).Send("o1", Order{Customer: "ann"})
	d.Input(orders).Send("o2", Order{Customer: "ann"})
	fmt.Println(d.Records()[0].Topic)
	// Output:
	// ann 1
	// ann 2
	// test-orders-per-customer-repartition
}

func ExampleRepartitionAs() {
	b := dsl.NewBuilder()
	byCustomer := b.Stream(orders).GroupBy(customerOf, dsl.RepartitionAs("orders-by-customer"))
	byCustomer.Count("number")
	byCustomer.AggregateBy("sum", dsl.Sum(func(o Order) int64 { return o.Cents }))

	d := drive(b)
	d.Input(orders).Send("o1", Order{Customer: "ann", Cents: 100})
	fmt.Println(topics(d))
	// Output: test-number-changelog test-orders-by-customer-repartition test-sum-changelog
}

func ExampleValue() {
	b := dsl.NewBuilder()
	b.Stream(lines).
		GroupBy(dsl.Value).
		Count("same-lines").
		ToStream().
		ForEach(func(line string, n int64) { fmt.Println(line, n) })

	d := drive(b)
	d.Input(lines).Send("1", "fog")
	d.Input(lines).Send("2", "fog")
	// Output:
	// fog 1
	// fog 2
}

func ExampleGrouped_Count() {
	b := dsl.NewBuilder()
	b.Stream(readings).
		GroupByKey().
		Count("readings-per-airport").
		ToStream().
		ForEach(func(airport string, n int64) { fmt.Println(airport, n) })

	d := drive(b)
	d.Input(readings).Send("JFK", 4)
	d.Input(readings).Send("MIA", 30)
	d.Input(readings).Send("JFK", 5)
	// Output:
	// JFK 1
	// MIA 1
	// JFK 2
}

func ExampleGrouped_Reduce() {
	b := dsl.NewBuilder()
	b.Stream(readings).
		GroupByKey().
		Reduce("warmest", func(a, v int64) int64 { return max(a, v) }).
		ToStream().
		ForEach(func(airport string, degrees int64) { fmt.Println(airport, degrees) })

	d := drive(b)
	for _, degrees := range []int64{4, 9, 2} {
		d.Input(readings).Send("JFK", degrees)
	}
	// Output:
	// JFK 4
	// JFK 9
	// JFK 9
}

func ExampleGrouped_Aggregate() {
	b := dsl.NewBuilder()
	b.Stream(orders).
		GroupBy(customerOf).
		Aggregate("spent",
			func() int64 { return 0 },
			func(_ string, o Order, sum int64) int64 { return sum + o.Cents }).
		ToStream().
		ForEach(func(customer string, cents int64) { fmt.Println(customer, cents) })

	d := drive(b)
	d.Input(orders).Send("o1", Order{Customer: "ann", Cents: 100})
	d.Input(orders).Send("o2", Order{Customer: "ann", Cents: 250})
	// Output:
	// ann 100
	// ann 350
}

func ExampleGrouped_AggregateBy() {
	b := dsl.NewBuilder().Use(serde.JSON[dsl.MeanOf]())
	b.Stream(readings).
		GroupByKey().
		AggregateBy("mean", dsl.Mean(func(degrees int64) float64 { return float64(degrees) })).
		ToStream().
		ForEach(func(airport string, m dsl.MeanOf) { fmt.Println(airport, m.Value()) })

	d := drive(b)
	d.Input(readings).Send("JFK", 4)
	d.Input(readings).Send("JFK", 5)
	// Output:
	// JFK 4
	// JFK 4.5
}

// measured aggregates three temperatures of one airport.
func measured[G dsl.Aggregator[int64, A], A any](s serde.Serde[A], by G) {
	b := dsl.NewBuilder()
	b.Stream(readings).
		GroupByKey().
		AggregateBy("measured", by, dsl.ValueSerde(s)).
		ToStream().
		ForEach(func(_ string, a A) { fmt.Println(a) })

	d := drive(b)
	for _, degrees := range []int64{4, 9, 4} {
		d.Input(readings).Send("JFK", degrees)
	}
}

func degrees(n int64) int64 { return n }

func ExampleSum() {
	measured(serde.Int64, dsl.Sum(degrees))
	// Output:
	// 4
	// 13
	// 17
}

func ExampleMin() {
	measured(serde.JSON[dsl.Extreme[int64]](), dsl.Min(degrees))
	// Output:
	// {4 1}
	// {4 2}
	// {4 3}
}

func ExampleMax() {
	measured(serde.JSON[dsl.Extreme[int64]](), dsl.Max(degrees))
	// Output:
	// {4 1}
	// {9 2}
	// {9 3}
}

func ExampleMean() {
	measured(serde.JSON[dsl.MeanOf](), dsl.Mean(func(n int64) float64 { return float64(n) }))
	// Output:
	// {4 1}
	// {13 2}
	// {17 3}
}

func ExampleTopN() {
	measured(serde.List(serde.Int64), dsl.TopN(2, cmp.Compare[int64]))
	// Output:
	// [4]
	// [9 4]
	// [9 4]
}

func ExampleDistinct() {
	measured(serde.List(serde.Int64), dsl.Distinct(degrees))
	// Output:
	// [4]
	// [4 9]
	// [4 9]
}

func ExampleCollect() {
	measured(serde.List(serde.Int64), dsl.Collect[int64]())
	// Output:
	// [4]
	// [4 9]
	// [4 9 4]
}

// clicksAndOrders is what a customer looks at and buys.
func clicksAndOrders(b *dsl.Builder) dsl.Cogrouped[string, string] {
	clicks := b.Stream(lines).GroupByKey()
	bought := b.Stream(orders).GroupBy(customerOf, dsl.RepartitionAs("orders-by-customer"))
	return clicks.
		Cogroup(func(_, page, path string) string { return path + " " + page }).
		And(bought, func(_ string, o Order, path string) string { return path + " +" + o.Item })
}

func ExampleGrouped_Cogroup() {
	b := dsl.NewBuilder()
	b.Stream(lines).GroupByKey().
		Cogroup(func(_, page string, n int64) int64 { return n + 1 }).
		And(b.Stream(totals).GroupByKey(), func(_ string, v, n int64) int64 { return n + v }).
		Aggregate("activity", func() int64 { return 0 }).
		ToStream().
		ForEach(func(customer string, n int64) { fmt.Println(customer, n) })

	d := drive(b)
	d.Input(lines).Send("ann", "home")
	d.Input(totals).Send("ann", 40)
	// Output:
	// ann 1
	// ann 41
}

// Streams of different values become one aggregate.
func ExampleCogrouped_And() {
	b := dsl.NewBuilder()
	b.Stream(lines).GroupByKey().
		Cogroup(func(_, page, path string) string { return path + " " + page }).
		And(b.Stream(orders).GroupBy(customerOf), func(_ string, o Order, path string) string { return path + " +" + o.Item }).
		Aggregate("paths", func() string { return "in" }).
		ToStream().
		ForEach(func(customer, path string) { fmt.Println(customer, path) })

	d := drive(b)
	d.Input(lines).Send("ann", "lamps")
	d.Input(orders).Send("o1", Order{Customer: "ann", Item: "lamp"})
	// Output:
	// ann in lamps
	// ann in lamps +lamp
}

func ExampleCogrouped_Aggregate() {
	b := dsl.NewBuilder()
	clicksAndOrders(b).
		Aggregate("paths", func() string { return "in" }).
		ToStream().
		ForEach(func(customer, path string) { fmt.Println(customer, path) })

	d := drive(b)
	d.Input(lines).Send("ann", "lamps")
	d.Input(lines).Send("bob", "sofas")
	d.Input(orders).Send("o1", Order{Customer: "ann", Item: "lamp"})
	// Output:
	// ann in lamps
	// bob in sofas
	// ann in lamps +lamp
}

func ExampleBoth() {
	b := dsl.NewBuilder()
	b.Stream(readings).
		JoinTable(b.Table(airports, "airports"), dsl.Both).
		ForEach(func(_ string, p dsl.Pair[int64, string]) { fmt.Println(p.Left, "at", p.Right) })

	d := drive(b)
	d.Input(airports).Send("JFK", "New York")
	d.Input(readings).Send("JFK", 4)
	// Output: 4 at New York
}

func ExampleValueSerde() {
	tags := serde.Of(
		func(dst []byte, v []string) ([]byte, error) { return append(dst, strings.Join(v, ",")...), nil },
		func(src []byte, v *[]string) error { *v = strings.Split(string(src), ","); return nil })

	b := dsl.NewBuilder()
	b.Stream(lines).
		GroupByKey().
		AggregateBy("seen", dsl.Collect[string](), dsl.ValueSerde(tags))

	d := drive(b)
	d.Input(lines).Send("k", "a")
	d.Input(lines).Send("k", "b")
	for _, r := range d.Records() {
		fmt.Println(r.Topic, string(r.Value))
	}
	// Output:
	// test-seen-changelog a
	// test-seen-changelog a,b
}

func ExampleBuilder_Use() {
	b := dsl.NewBuilder().Use(serde.JSON[dsl.MeanOf]())
	b.Stream(readings).
		GroupByKey().
		AggregateBy("mean", dsl.Mean(func(n int64) float64 { return float64(n) }))

	d := drive(b)
	d.Input(readings).Send("JFK", 4)
	fmt.Println(string(d.Records()[0].Value))
	// Output: {"sum":4,"n":1}
}

func ExampleBuilder_DefaultJSON() {
	b := dsl.NewBuilder().DefaultJSON()
	b.Stream(readings).GroupByKey().AggregateBy("highest", dsl.Max(degrees))

	d := drive(b)
	d.Input(readings).Send("JFK", 4)
	fmt.Println(string(d.Records()[0].Value))
	// Output: {"value":4,"n":1}
}

// All mistakes are reported at once.
func ExampleBuilder_Build() {
	b := dsl.NewBuilder()
	b.Stream(readings).
		GroupByKey().
		AggregateBy("mean", dsl.Mean(func(n int64) float64 { return float64(n) })).
		ToStream().
		To(topology.NewTopic("", serde.String, serde.JSON[dsl.MeanOf]()))

	_, err := b.Build()
	fmt.Println(err)
	// Output:
	// dsl: value of store "mean": serde: no serde for dsl.MeanOf: register one with Builder.Use
	// topology: node "readings/aggregate/to-stream/to:": a topic has no name
}
