package dsl_test

import (
	"fmt"
	"time"

	"github.com/thalweg/thalweg/dsl"
	"github.com/thalweg/thalweg/processor"
	"github.com/thalweg/thalweg/testdriver"
	"github.com/thalweg/thalweg/windowing"
)

// showWindow prints a row of a windowed table, times in seconds.
func showWindow[K, V any](_ *processor.Context, r processor.Record[windowing.Windowed[K], V]) error {
	k := r.Key
	if r.NullValue {
		fmt.Println(k.Key, k.Start/1000, "to", k.End/1000, "deleted")
	} else {
		fmt.Println(k.Key, k.Start/1000, "to", k.End/1000, "is", r.Value)
	}
	return nil
}

// showLate prints a record that comes too late for a window.
func showLate[K, V any](_ *processor.Context, r processor.Record[K, V], start, end int64) {
	fmt.Println("late:", r.Key, r.Value, "for", start/1000, "to", end/1000)
}

// measure sends temperatures of one airport at the given seconds.
func measure(d *testdriver.Driver, seconds ...int) {
	for _, s := range seconds {
		d.Input(readings).SendAt(at(s), "JFK", int64(s))
	}
}

func add(_ string, degrees, sum int64) int64 { return sum + degrees }

func none() int64 { return 0 }

// A record that is late for its window is dropped and counted.
func ExampleGrouped_WindowedBy() {
	b := dsl.NewBuilder()
	b.Stream(readings).
		GroupByKey().
		WindowedBy(windowing.Tumbling(time.Minute)).
		Count("per-minute").
		ToStream().
		TryForEach(showWindow)

	d := drive(b)
	measure(d, 10, 20, 70, 30)
	fmt.Println(d.Dropped())
	// Output:
	// JFK 0 to 60 is 1
	// JFK 0 to 60 is 2
	// JFK 60 to 120 is 1
	// map[late:1]
}

// Windows of a minute begin every half minute, so each record is in two.
func ExampleTimeWindowed_Count() {
	b := dsl.NewBuilder()
	b.Stream(readings).
		GroupByKey().
		WindowedBy(windowing.Hopping(time.Minute, 30*time.Second)).
		Count("per-minute").
		ToStream().
		TryForEach(showWindow)

	d := drive(b)
	measure(d, 40, 50)
	// Output:
	// JFK 0 to 60 is 1
	// JFK 30 to 90 is 1
	// JFK 0 to 60 is 2
	// JFK 30 to 90 is 2
}

func ExampleTimeWindowed_Reduce() {
	b := dsl.NewBuilder()
	b.Stream(readings).
		GroupByKey().
		WindowedBy(windowing.Tumbling(time.Minute).WithGrace(time.Minute)).
		Reduce("warmest", func(a, v int64) int64 { return max(a, v) }).
		ToStream().
		TryForEach(showWindow)

	d := drive(b)
	measure(d, 10, 61, 5) // 5 is late, but within the grace
	// Output:
	// JFK 0 to 60 is 10
	// JFK 60 to 120 is 61
	// JFK 0 to 60 is 10
}

func ExampleTimeWindowed_Aggregate() {
	b := dsl.NewBuilder()
	b.Stream(readings).
		GroupByKey().
		WindowedBy(windowing.Tumbling(time.Minute)).
		Aggregate("sums", none, add).
		ToStream().
		TryForEach(showWindow)

	d := drive(b)
	measure(d, 10, 20, 70)
	// Output:
	// JFK 0 to 60 is 10
	// JFK 0 to 60 is 30
	// JFK 60 to 120 is 70
}

// Days of New York, which have 23 to 25 hours.
func ExampleTimeWindowed_AggregateBy() {
	newYork, err := time.LoadLocation("America/New_York")
	if err != nil {
		panic(err)
	}
	b := dsl.NewBuilder()
	b.Stream(readings).
		GroupByKey().
		WindowedBy(windowing.Days(newYork)).
		AggregateBy("sums", dsl.Sum(degrees)).
		ToStream().
		ForEach(func(w windowing.Windowed[string], sum int64) {
			fmt.Println(time.UnixMilli(w.Start).In(newYork), sum)
		})

	d := drive(b)
	d.Input(readings).SendAt(time.Date(2026, 7, 1, 3, 0, 0, 0, time.UTC), "JFK", 20)
	d.Input(readings).SendAt(time.Date(2026, 7, 1, 4, 0, 0, 0, time.UTC), "JFK", 19)
	// Output:
	// 2026-06-30 00:00:00 -0400 EDT 20
	// 2026-07-01 00:00:00 -0400 EDT 19
}

func ExampleTimeWindowed_EmitOnClose() {
	b := dsl.NewBuilder()
	b.Stream(readings).
		GroupByKey().
		WindowedBy(windowing.Tumbling(time.Minute).WithGrace(10 * time.Second)).
		EmitOnClose().
		Count("per-minute").
		ToStream().
		TryForEach(showWindow)

	d := drive(b)
	measure(d, 10, 65, 20, 70) // only the last one is past end and grace
	// Output: JFK 0 to 60 is 2
}

func ExampleTimeWindowed_OnLate() {
	b := dsl.NewBuilder()
	b.Stream(readings).
		GroupByKey().
		WindowedBy(windowing.Tumbling(time.Minute)).
		OnLate(showLate).
		Count("per-minute")

	d := drive(b)
	measure(d, 10, 70, 20)
	// Output: late: JFK 20 for 0 to 60
}

// Sliding windows exist where they hold a new set of records: each record ends
// one and, once another follows, begins one just after it.
func ExampleGrouped_SlidingBy() {
	b := dsl.NewBuilder()
	b.Stream(readings).
		GroupByKey().
		SlidingBy(windowing.SlidingOf(10*time.Second).WithGrace(time.Minute)).
		Reduce("warmest", func(a, v int64) int64 { return max(a, v) }).
		ToStream().
		TryForEach(showWindow)

	d := drive(b)
	measure(d, 100, 107)
	// Output:
	// JFK 90 to 100 is 100
	// JFK 100 to 110 is 107
	// JFK 97 to 107 is 107
}

func ExampleSlidingWindowed_Count() {
	b := dsl.NewBuilder()
	b.Stream(readings).
		GroupByKey().
		SlidingBy(windowing.SlidingOf(10 * time.Second).WithGrace(time.Minute)).
		Count("within-10s").
		ToStream().
		TryForEach(showWindow)

	d := drive(b)
	measure(d, 100, 107)
	// Output:
	// JFK 90 to 100 is 1
	// JFK 100 to 110 is 1
	// JFK 97 to 107 is 2
}

func ExampleSlidingWindowed_Reduce() {
	b := dsl.NewBuilder()
	b.Stream(readings).
		GroupByKey().
		SlidingBy(windowing.SlidingOf(10*time.Second).WithGrace(time.Minute)).
		Reduce("coldest", func(a, v int64) int64 { return min(a, v) }).
		ToStream().
		TryForEach(showWindow)

	d := drive(b)
	measure(d, 100, 107)
	// Output:
	// JFK 90 to 100 is 100
	// JFK 100 to 110 is 107
	// JFK 97 to 107 is 100
}

func ExampleSlidingWindowed_Aggregate() {
	b := dsl.NewBuilder()
	b.Stream(readings).
		GroupByKey().
		SlidingBy(windowing.SlidingOf(10*time.Second).WithGrace(time.Minute)).
		Aggregate("sums", none, add).
		ToStream().
		TryForEach(showWindow)

	d := drive(b)
	measure(d, 100, 107)
	// Output:
	// JFK 90 to 100 is 100
	// JFK 100 to 110 is 107
	// JFK 97 to 107 is 207
}

func ExampleSlidingWindowed_AggregateBy() {
	b := dsl.NewBuilder()
	b.Stream(readings).
		GroupByKey().
		SlidingBy(windowing.SlidingOf(10*time.Second).WithGrace(time.Minute)).
		AggregateBy("sums", dsl.Sum(degrees)).
		ToStream().
		TryForEach(showWindow)

	d := drive(b)
	measure(d, 100)
	// Output: JFK 90 to 100 is 100
}

func ExampleSlidingWindowed_EmitOnClose() {
	b := dsl.NewBuilder()
	b.Stream(readings).
		GroupByKey().
		SlidingBy(windowing.SlidingOf(10 * time.Second)).
		EmitOnClose().
		Count("within-10s").
		ToStream().
		TryForEach(showWindow)

	d := drive(b)
	measure(d, 100, 107, 120)
	// Output:
	// JFK 90 to 100 is 1
	// JFK 97 to 107 is 2
	// JFK 100 to 110 is 1
}

func ExampleSlidingWindowed_OnLate() {
	b := dsl.NewBuilder()
	b.Stream(readings).
		GroupByKey().
		SlidingBy(windowing.SlidingOf(10 * time.Second)).
		OnLate(showLate).
		Count("within-10s")

	d := drive(b)
	measure(d, 100, 200, 50)
	// Output: late: JFK 50 for 40 to 50
}

func ExampleGrouped_SessionBy() {
	b := dsl.NewBuilder()
	b.Stream(lines).
		GroupByKey().
		SessionBy(windowing.Sessions(30 * time.Second)).
		EmitOnClose().
		Count("visits").
		ToStream().
		TryForEach(showWindow)

	d := drive(b)
	for _, second := range []int{0, 20, 55} {
		d.Input(lines).SendAt(at(second), "ann", "click")
	}
	// Output: ann 0 to 20 is 2
}

// A session that grows is another one: the old one is deleted.
func ExampleSessionWindowed_Count() {
	b := dsl.NewBuilder()
	b.Stream(readings).
		GroupByKey().
		SessionBy(windowing.Sessions(10 * time.Second).WithGrace(time.Minute)).
		Count("bursts").
		ToStream().
		TryForEach(showWindow)

	d := drive(b)
	measure(d, 100, 115, 108) // the last one joins the others
	// Output:
	// JFK 100 to 100 is 1
	// JFK 115 to 115 is 1
	// JFK 100 to 100 deleted
	// JFK 115 to 115 deleted
	// JFK 100 to 115 is 3
}

func ExampleSessionWindowed_Reduce() {
	b := dsl.NewBuilder()
	b.Stream(readings).
		GroupByKey().
		SessionBy(windowing.Sessions(10*time.Second)).
		Reduce("warmest", func(a, v int64) int64 { return max(a, v) }).
		ToStream().
		TryForEach(showWindow)

	d := drive(b)
	measure(d, 100, 108)
	// Output:
	// JFK 100 to 100 is 100
	// JFK 100 to 100 deleted
	// JFK 100 to 108 is 108
}

func ExampleSessionWindowed_Aggregate() {
	b := dsl.NewBuilder()
	b.Stream(lines).
		GroupByKey().
		SessionBy(windowing.Sessions(10*time.Second).WithGrace(time.Minute)).
		Aggregate("paths",
			func() string { return "" },
			func(_, page, path string) string { return path + "/" + page },
			func(_, a, b string) string { return a + b }).
		ToStream().
		TryForEach(showWindow)

	d := drive(b)
	d.Input(lines).SendAt(at(100), "ann", "home")
	d.Input(lines).SendAt(at(105), "ann", "lamps")
	// Output:
	// ann 100 to 100 is /home
	// ann 100 to 100 deleted
	// ann 100 to 105 is /home/lamps
}

func ExampleSessionWindowed_AggregateBy() {
	b := dsl.NewBuilder()
	b.Stream(readings).
		GroupByKey().
		SessionBy(windowing.Sessions(10*time.Second)).
		EmitOnClose().
		AggregateBy("sums", dsl.Sum(degrees)).
		ToStream().
		TryForEach(showWindow)

	d := drive(b)
	measure(d, 100, 105, 120)
	// Output: JFK 100 to 105 is 205
}

func ExampleSessionWindowed_EmitOnClose() {
	b := dsl.NewBuilder()
	b.Stream(readings).
		GroupByKey().
		SessionBy(windowing.Sessions(10 * time.Second)).
		EmitOnClose().
		Count("bursts").
		ToStream().
		TryForEach(showWindow)

	d := drive(b)
	measure(d, 100, 108, 120)
	// Output: JFK 100 to 108 is 2
}

func ExampleSessionWindowed_OnLate() {
	b := dsl.NewBuilder()
	b.Stream(readings).
		GroupByKey().
		SessionBy(windowing.Sessions(10 * time.Second)).
		OnLate(showLate).
		Count("bursts")

	d := drive(b)
	measure(d, 100, 50)
	// Output: late: JFK 50 for 50 to 50
}

func ExampleCogrouped_WindowedBy() {
	b := dsl.NewBuilder()
	clicksAndOrders(b).
		WindowedBy(windowing.Tumbling(time.Minute)).
		Aggregate("paths", func() string { return "in" }).
		ToStream().
		TryForEach(showWindow)

	d := drive(b)
	d.Input(lines).SendAt(at(10), "ann", "lamps")
	d.Input(orders).SendAt(at(20), "o1", Order{Customer: "ann", Item: "lamp"})
	d.Input(lines).SendAt(at(70), "ann", "home")
	// Output:
	// ann 0 to 60 is in lamps
	// ann 0 to 60 is in lamps +lamp
	// ann 60 to 120 is in home
}

func ExampleTimeCogrouped_Aggregate() {
	b := dsl.NewBuilder()
	b.Stream(readings).GroupByKey().
		Cogroup(add).
		And(b.Stream(totals).GroupByKey(), add).
		WindowedBy(windowing.Tumbling(time.Minute)).
		Aggregate("sums", none).
		ToStream().
		TryForEach(showWindow)

	d := drive(b)
	d.Input(readings).SendAt(at(10), "JFK", 1)
	d.Input(totals).SendAt(at(20), "JFK", 2)
	// Output:
	// JFK 0 to 60 is 1
	// JFK 0 to 60 is 3
}

func ExampleCogrouped_SlidingBy() {
	b := dsl.NewBuilder()
	clicksAndOrders(b).
		SlidingBy(windowing.SlidingOf(10*time.Second).WithGrace(time.Minute)).
		Aggregate("paths", func() string { return "in" }).
		ToStream().
		TryForEach(showWindow)

	d := drive(b)
	d.Input(lines).SendAt(at(100), "ann", "lamps")
	d.Input(orders).SendAt(at(105), "o1", Order{Customer: "ann", Item: "lamp"})
	// Output:
	// ann 90 to 100 is in lamps
	// ann 100 to 110 is in +lamp
	// ann 95 to 105 is in lamps +lamp
}

func ExampleSlidingCogrouped_Aggregate() {
	b := dsl.NewBuilder()
	b.Stream(readings).GroupByKey().
		Cogroup(add).
		And(b.Stream(totals).GroupByKey(), add).
		SlidingBy(windowing.SlidingOf(10*time.Second)).
		Aggregate("sums", none).
		ToStream().
		TryForEach(showWindow)

	d := drive(b)
	d.Input(readings).SendAt(at(100), "JFK", 1)
	d.Input(totals).SendAt(at(100), "JFK", 2)
	// Output:
	// JFK 90 to 100 is 1
	// JFK 90 to 100 is 3
}

func ExampleCogrouped_SessionBy() {
	b := dsl.NewBuilder()
	clicksAndOrders(b).
		SessionBy(windowing.Sessions(10*time.Second)).
		Aggregate("paths",
			func() string { return "" },
			func(_, a, b string) string { return a + b }).
		ToStream().
		TryForEach(showWindow)

	d := drive(b)
	d.Input(lines).SendAt(at(100), "ann", "lamps")
	d.Input(orders).SendAt(at(105), "o1", Order{Customer: "ann", Item: "lamp"})
	// Output:
	// ann 100 to 100 is  lamps
	// ann 100 to 100 deleted
	// ann 100 to 105 is  lamps +lamp
}

func ExampleSessionCogrouped_Aggregate() {
	b := dsl.NewBuilder()
	b.Stream(readings).GroupByKey().
		Cogroup(add).
		And(b.Stream(totals).GroupByKey(), add).
		SessionBy(windowing.Sessions(10*time.Second)).
		Aggregate("sums", none, add).
		ToStream().
		TryForEach(showWindow)

	d := drive(b)
	d.Input(readings).SendAt(at(100), "JFK", 1)
	d.Input(totals).SendAt(at(105), "JFK", 2)
	// Output:
	// JFK 100 to 100 is 1
	// JFK 100 to 100 deleted
	// JFK 100 to 105 is 3
}

func ExampleFinalOnly() {
	b := dsl.NewBuilder()
	perMinute := b.Stream(readings).
		GroupByKey().
		WindowedBy(windowing.Tumbling(time.Minute)).
		Count("per-minute")
	dsl.FinalOnly(perMinute).ToStream().TryForEach(showWindow)

	d := drive(b)
	measure(d, 0, 10, 20, 61, 130)
	// Output:
	// JFK 0 to 60 is 3
	// JFK 60 to 120 is 1
}

// Windows are there to be queried for an hour after they are closed.
func ExampleRetention() {
	b := dsl.NewBuilder()
	perMinute := b.Stream(readings).
		GroupByKey().
		WindowedBy(windowing.Tumbling(time.Minute)).
		Count("per-minute", dsl.Retention(time.Hour))

	d := drive(b)
	measure(d, 10, 1810)
	n, _, ok, err := d.Store(dsl.WindowStore(perMinute)).Get("JFK", 0)
	fmt.Println(n, ok, err)
	// Output: 1 true <nil>
}

func ExampleWindowStore() {
	b := dsl.NewBuilder()
	perMinute := b.Stream(readings).
		GroupByKey().
		WindowedBy(windowing.Tumbling(time.Minute).WithGrace(time.Hour)).
		Count("per-minute")

	d := drive(b)
	measure(d, 10, 20, 70)
	for w, err := range d.Store(dsl.WindowStore(perMinute)).Fetch("JFK", 0, 120_000) {
		fmt.Println(w.Start/1000, w.Value, err)
	}
	// Output:
	// 0 2 <nil>
	// 60 1 <nil>
}

func ExampleSessionStore() {
	b := dsl.NewBuilder()
	bursts := b.Stream(readings).
		GroupByKey().
		SessionBy(windowing.Sessions(10 * time.Second).WithGrace(time.Hour)).
		Count("bursts")

	d := drive(b)
	measure(d, 100, 105, 200)
	for s, err := range d.Store(dsl.SessionStore(bursts)).Fetch("JFK") {
		fmt.Println(s.Start/1000, s.End/1000, s.Value, err)
	}
	// Output:
	// 100 105 2 <nil>
	// 200 200 1 <nil>
}
