package dsl_test

import (
	"fmt"
	"strings"
	"time"

	"github.com/thalweg/thalweg/dsl"
	"github.com/thalweg/thalweg/processor"
	"github.com/thalweg/thalweg/serde"
	"github.com/thalweg/thalweg/testdriver"
	"github.com/thalweg/thalweg/topology"
	"github.com/thalweg/thalweg/windowing"
)

// A bench is a testdriver.TB for examples.
type bench struct{ cleanup []func() }

func (*bench) Helper()                      {}
func (*bench) Errorf(f string, args ...any) { fmt.Printf(f+"\n", args...) }
func (*bench) Fatalf(f string, args ...any) { panic(fmt.Sprintf(f, args...)) }
func (b *bench) Cleanup(f func())           { b.cleanup = append(b.cleanup, f) }

func drive(b *dsl.Builder, opts ...testdriver.Option) *testdriver.Driver {
	t, err := b.Build()
	if err != nil {
		panic(err)
	}
	return testdriver.New(&bench{}, t, opts...)
}

func at(second int) time.Time { return time.Unix(int64(second), 0) }

var (
	words  = topology.NewTopic("words", serde.String, serde.String)
	totals = topology.NewTopic("totals", serde.String, serde.Int64)
)

func Example() {
	b := dsl.NewBuilder()
	b.Stream(words).
		MapValues(strings.ToLower).
		FlatMapValues(strings.FieldsSeq).
		GroupBy(dsl.Value).
		Count("counts").
		ToStream().
		To(totals)

	d := drive(b)
	d.Input(words).Send("", "To be or not to be")
	counts := testdriver.ReadMap(d.Output(totals))
	fmt.Println(counts["to"], counts["be"], counts["or"])
	// Output: 2 2 1
}

func ExampleStream_Split() {
	small := topology.NewTopic("small", serde.String, serde.Int64)
	large := topology.NewTopic("large", serde.String, serde.Int64)

	b := dsl.NewBuilder()
	split := b.Stream(totals).Split()
	split.Case("large", func(_ string, n int64) bool { return n >= 100 }).To(large)
	split.Default("small").To(small)

	d := drive(b)
	for _, n := range []int64{7, 100, 8} {
		d.Input(totals).Send("k", n)
	}
	for _, r := range d.Output(small).All() {
		fmt.Println("small", r.Value)
	}
	for _, r := range d.Output(large).All() {
		fmt.Println("large", r.Value)
	}
	// Output:
	// small 7
	// small 8
	// large 100
}

func ExampleGrouped_WindowedBy() {
	b := dsl.NewBuilder()
	b.Stream(totals).
		GroupByKey().
		WindowedBy(windowing.Tumbling(time.Minute)).
		AggregateBy("sums", dsl.Sum(func(n int64) int64 { return n })).
		ToStream().
		ForEach(func(w windowing.Windowed[string], sum int64) {
			fmt.Println(w.Key, w.Start/1000, "to", w.End/1000, "is", sum)
		})

	d := drive(b)
	in := d.Input(totals)
	in.SendAt(at(10), "k", 1)
	in.SendAt(at(20), "k", 2)
	in.SendAt(at(70), "k", 3)
	in.SendAt(at(30), "k", 4) // late
	fmt.Println(d.Dropped())
	// Output:
	// k 0 to 60 is 1
	// k 0 to 60 is 3
	// k 60 to 120 is 3
	// map[late:1]
}

func ExampleFinalOnly() {
	b := dsl.NewBuilder()
	perMinute := b.Stream(totals).
		GroupByKey().
		WindowedBy(windowing.Tumbling(time.Minute)).
		Count("per-minute")
	dsl.FinalOnly(perMinute).
		ToStream().
		ForEach(func(w windowing.Windowed[string], n int64) { fmt.Println(w.Start/1000, n) })

	d := drive(b)
	for _, second := range []int{0, 10, 20, 61, 130} {
		d.Input(totals).SendAt(at(second), "k", 1)
	}
	// Output:
	// 0 3
	// 60 1
}

func ExampleGrouped_SessionBy() {
	b := dsl.NewBuilder()
	b.Stream(words).
		GroupByKey().
		SessionBy(windowing.Sessions(30 * time.Second)).
		EmitOnClose().
		Count("visits").
		ToStream().
		ForEach(func(w windowing.Windowed[string], n int64) { fmt.Println(w.Key, w.Start/1000, w.End/1000, n) })

	d := drive(b)
	for _, second := range []int{0, 20, 100, 200} {
		d.Input(words).SendAt(at(second), "ann", "click")
	}
	// Output:
	// ann 0 20 2
	// ann 100 100 1
}

func ExampleStream_Join() {
	clicks := topology.NewTopic("clicks", serde.String, serde.String)
	views := topology.NewTopic("views", serde.String, serde.String)

	b := dsl.NewBuilder()
	b.Stream(clicks).
		Join("ad-clicks", b.Stream(views), windowing.Within(time.Minute),
			func(click, view string) string { return click + " after " + view }).
		ForEach(func(user, what string) { fmt.Println(user, what) })

	d := drive(b)
	d.Input(views).SendAt(at(0), "ann", "shoes")
	d.Input(clicks).SendAt(at(30), "ann", "buy")
	d.Input(clicks).SendAt(at(100), "ann", "leave")
	// Output: ann buy after shoes
}

func ExampleStream_LeftJoinTable() {
	cities := topology.NewTopic("cities", serde.String, serde.String)

	b := dsl.NewBuilder()
	b.Stream(words).
		LeftJoinTable(b.Table(cities, "cities"), func(w string, city dsl.Maybe[string]) string {
			return w + " in " + city.Or("nowhere")
		}).
		ForEach(func(_, v string) { fmt.Println(v) })

	d := drive(b)
	d.Input(words).Send("sfo", "fog")
	d.Input(cities).Send("sfo", "San Francisco")
	d.Input(words).Send("sfo", "sun")
	// Output:
	// fog in nowhere
	// sun in San Francisco
}

func ExampleTable_JoinOn() {
	orders := topology.NewTopic("orders", serde.String, serde.String)
	customers := topology.NewTopic("customers", serde.String, serde.String)

	b := dsl.NewBuilder()
	b.Table(orders, "orders").
		JoinOn("billing", b.Table(customers, "customers"),
			func(_, customer string) (string, bool) { return customer, true },
			func(customer, name string) string { return customer + " is " + name }).
		ToStream().
		ForEach(func(order, v string) { fmt.Println(order, v) })

	d := drive(b)
	d.Input(orders).Send("1", "c7")
	d.Input(customers).Send("c7", "Ann")
	d.Input(orders).Send("2", "c7")
	// Output:
	// 1 c7 is Ann
	// 2 c7 is Ann
}

func ExampleGrouped_Cogroup() {
	b := dsl.NewBuilder()
	b.Stream(words).GroupByKey().
		Cogroup(func(_ string, _ string, n int64) int64 { return n + 1 }).
		And(b.Stream(totals).GroupByKey(), func(_ string, v, n int64) int64 { return n + v }).
		Aggregate("activity", func() int64 { return 0 }).
		ToStream().
		ForEach(func(k string, n int64) { fmt.Println(k, n) })

	d := drive(b)
	d.Input(words).Send("k", "one")
	d.Input(totals).Send("k", 40)
	// Output:
	// k 1
	// k 41
}

func ExampleTable_GroupBy() {
	b := dsl.NewBuilder()
	b.Table(words, "colours").
		GroupBy(func(who, colour string) (string, string) { return colour, who }).
		Count("by-colour").
		ToStream().
		ForEach(func(colour string, n int64) { fmt.Println(colour, n) })

	d := drive(b)
	d.Input(words).Send("ann", "red")
	d.Input(words).Send("bob", "red")
	d.Input(words).Send("ann", "blue")
	// Output:
	// red 1
	// red 2
	// red 1
	// blue 1
}

func ExampleStream_TryMapValues() {
	b := dsl.NewBuilder()
	b.Stream(words).
		TryMapValues(func(_ *processor.Context, r processor.Record[string, string]) (int, error) {
			if r.Value == "" {
				return 0, fmt.Errorf("record of %s is empty", r.Key)
			}
			return len(r.Value), nil
		}).
		ForEach(func(k string, n int) { fmt.Println(k, n) })
	t, err := b.Build()
	fmt.Println(t != nil, err)
	// Output: true <nil>
}
