package dsl_test

import (
	"fmt"
	"strconv"
	"time"

	"github.com/thalweg/thalweg/dsl"
	"github.com/thalweg/thalweg/processor"
	"github.com/thalweg/thalweg/serde"
	"github.com/thalweg/thalweg/state"
	"github.com/thalweg/thalweg/testdriver"
)

func ExampleBuilder_Table() {
	b := dsl.NewBuilder()
	b.Table(airports, "airports").ToStream().TryForEach(show)

	d := drive(b)
	d.Input(airports).Send("JFK", "Idlewild")
	d.Input(airports).Send("JFK", "Kennedy")
	d.Input(airports).Delete("JFK")
	// Output:
	// JFK Idlewild
	// JFK Kennedy
	// JFK deleted
}

// There is no store, hence no changelog, as nothing below needs one.
func ExampleBuilder_TableOf() {
	b := dsl.NewBuilder()
	b.TableOf(airports).
		Filter(func(_, name string) bool { return name != "" }).
		ToStream().
		TryForEach(show)

	d := drive(b)
	d.Input(airports).Send("JFK", "Kennedy")
	fmt.Println(len(d.Records()), "records to changelogs")
	// Output:
	// JFK Kennedy
	// 0 records to changelogs
}

func ExampleStream_ToTable() {
	b := dsl.NewBuilder()
	latest := b.Stream(readings).ToTable("latest")

	d := drive(b)
	d.Input(readings).Send("JFK", 4)
	d.Input(readings).Send("JFK", 5)
	n, _, ok, err := d.Store(latest.Store()).Get("JFK")
	fmt.Println(n, ok, err)
	// Output: 5 true <nil>
}

func ExampleTable_ToStream() {
	b := dsl.NewBuilder()
	b.Table(readings, "latest").
		ToStream().
		ForEach(func(airport string, degrees int64) { fmt.Println(airport, degrees) })

	d := drive(b)
	d.Input(readings).Send("JFK", 4)
	// Output: JFK 4
}

// A row that does not pass any more is deleted from the result.
func ExampleTable_Filter() {
	b := dsl.NewBuilder()
	b.Table(stock, "stock").
		Filter(func(_ string, n int64) bool { return n < 5 }).
		ToStream().
		TryForEach(show)

	d := drive(b)
	d.Input(stock).Send("lamp", 3)
	d.Input(stock).Send("lamp", 20)
	// Output:
	// lamp 3
	// lamp deleted
}

func ExampleTable_FilterNot() {
	b := dsl.NewBuilder()
	b.Table(stock, "stock").
		FilterNot(func(_ string, n int64) bool { return n == 0 }).
		ToStream().
		TryForEach(show)

	d := drive(b)
	d.Input(stock).Send("lamp", 1)
	d.Input(stock).Send("lamp", 0)
	// Output:
	// lamp 1
	// lamp deleted
}

func ExampleTable_MapValues() {
	b := dsl.NewBuilder()
	b.Table(stock, "stock").
		MapValues(func(n int64) string { return fmt.Sprint(n, " left") }).
		ToStream().
		TryForEach(show)

	d := drive(b)
	d.Input(stock).Send("lamp", 3)
	d.Input(stock).Delete("lamp")
	// Output:
	// lamp 3 left
	// lamp deleted
}

func ExampleTable_MapValuesWithKey() {
	b := dsl.NewBuilder()
	b.Table(stock, "stock").
		MapValuesWithKey(func(item string, n int64) string { return fmt.Sprintf("%d×%s", n, item) }).
		ToStream().
		TryForEach(show)

	d := drive(b)
	d.Input(stock).Send("lamp", 3)
	// Output: lamp 3×lamp
}

func ExampleTable_TryMapValues() {
	b := dsl.NewBuilder()
	b.Table(airports, "raw").
		TryMapValues(func(_, v string) (int64, error) { return strconv.ParseInt(v, 10, 64) }).
		ToStream().
		TryForEach(show)

	d := drive(b, testdriver.OnFailure(skipErrors))
	d.Input(airports).Send("JFK", "4")
	d.Input(airports).Send("JFK", "four")
	// Output:
	// JFK 4
	// skipped: strconv.ParseInt: parsing "four": invalid syntax
}

// revisions counts how often each row has changed.
type revisions struct{ seen *state.KV[string, int64] }

var seenRevisions = state.KeyValue("revisions", serde.String, serde.Int64)

func newRevisions() *revisions { return new(revisions) }

func (r *revisions) Init(c *processor.Context) error {
	r.seen = seenRevisions.In(c)
	return nil
}

func (r *revisions) Transform(_ *processor.Context, k string, v dsl.Maybe[string]) (row dsl.Maybe[string], err error) {
	n, _, err := r.seen.Get(k)
	if err != nil {
		return row, err
	}
	if v.OK {
		row = dsl.Maybe[string]{Value: fmt.Sprint(v.Value, " v", n+1), OK: true}
	}
	return row, r.seen.Put(k, n+1)
}

func ExampleTable_TransformValues() {
	b := dsl.NewBuilder()
	b.Table(airports, "airports").
		TransformValues("revise", newRevisions, dsl.Using(seenRevisions)).
		ToStream().
		TryForEach(show)

	d := drive(b)
	d.Input(airports).Send("JFK", "Idlewild")
	d.Input(airports).Send("JFK", "Kennedy")
	// Output:
	// JFK Idlewild v1
	// JFK Kennedy v2
}

func ExampleUsing() {
	b := dsl.NewBuilder()
	b.Table(airports, "airports").
		TransformValues("revise", newRevisions, dsl.Using(seenRevisions), dsl.Stored("revised"))

	d := drive(b)
	d.Input(airports).Send("JFK", "Idlewild")
	n, _, err := d.Store(seenRevisions).Get("JFK")
	fmt.Println(n, err)
	// Output: 1 <nil>
}

func ExampleTable_Store() {
	b := dsl.NewBuilder()
	counts := b.Stream(readings).GroupByKey().Count("counts")

	d := drive(b)
	d.Input(readings).Send("JFK", 4)
	n, at, ok, err := d.Store(counts.Store()).Get("JFK")
	fmt.Println(n, at == d.Now().UnixMilli(), ok, err)
	// Output: 1 true true <nil>
}

func ExampleStored() {
	b := dsl.NewBuilder()
	low := b.Table(stock, "stock").
		Filter(func(_ string, n int64) bool { return n < 5 }, dsl.Stored("low-stock"))

	d := drive(b)
	d.Input(stock).Send("lamp", 3)
	d.Input(stock).Send("sofa", 30)
	for row, err := range d.Store(low.Store()).All() {
		fmt.Println(row.Key, row.Value, err)
	}
	// Output: lamp 3 <nil>
}

// A row that moves is taken out of the group that it was in.
func ExampleTable_GroupBy() {
	b := dsl.NewBuilder()
	b.Table(orders, "orders").
		GroupBy(func(_ string, o Order) (string, int64) { return o.Customer, o.Cents }).
		Count("orders-per-customer").
		ToStream().
		TryForEach(show)

	d := drive(b)
	d.Input(orders).Send("o1", Order{Customer: "ann"})
	d.Input(orders).Send("o1", Order{Customer: "bob"})
	// Output:
	// ann 1
	// ann 0
	// bob 1
}

func ExampleGroupedTable_Count() {
	b := dsl.NewBuilder()
	b.Table(airports, "country-of-airport").
		GroupBy(func(code, country string) (string, string) { return country, code }).
		Count("airports-per-country").
		ToStream().
		TryForEach(show)

	d := drive(b)
	d.Input(airports).Send("JFK", "US")
	d.Input(airports).Send("MIA", "US")
	d.Input(airports).Delete("JFK")
	// Output:
	// US 1
	// US 2
	// US 1
}

func ExampleGroupedTable_Reduce() {
	b := dsl.NewBuilder()
	b.Table(orders, "orders").
		GroupBy(func(_ string, o Order) (string, int64) { return o.Customer, o.Cents }).
		Reduce("spent",
			func(sum, cents int64) int64 { return sum + cents },
			func(sum, cents int64) int64 { return sum - cents }).
		ToStream().
		TryForEach(show)

	d := drive(b)
	d.Input(orders).Send("o1", Order{Customer: "ann", Cents: 100})
	d.Input(orders).Send("o2", Order{Customer: "ann", Cents: 50})
	d.Input(orders).Send("o1", Order{Customer: "ann", Cents: 80}) // corrected
	// Output:
	// ann 100
	// ann 150
	// ann 130
}

func ExampleGroupedTable_Aggregate() {
	b := dsl.NewBuilder().DefaultJSON()
	b.Table(orders, "orders").
		GroupBy(func(_ string, o Order) (string, Order) { return o.Customer, o }).
		Aggregate("spent", none,
			func(_ string, o Order, sum int64) int64 { return sum + o.Cents },
			func(_ string, o Order, sum int64) int64 { return sum - o.Cents }).
		ToStream().
		TryForEach(show)

	d := drive(b)
	d.Input(orders).Send("o1", Order{Customer: "ann", Cents: 100})
	d.Input(orders).Send("o2", Order{Customer: "ann", Cents: 50})
	d.Input(orders).Delete("o1")
	// Output:
	// ann 100
	// ann 150
	// ann 50
}

func ExampleGroupedTable_AggregateBy() {
	b := dsl.NewBuilder().DefaultJSON()
	b.Table(orders, "orders").
		GroupBy(func(_ string, o Order) (string, int64) { return o.Customer, o.Cents }).
		AggregateBy("mean", dsl.Mean(func(cents int64) float64 { return float64(cents) })).
		ToStream().
		ForEach(func(customer string, m dsl.MeanOf) { fmt.Println(customer, m.Value()) })

	d := drive(b)
	d.Input(orders).Send("o1", Order{Customer: "ann", Cents: 100})
	d.Input(orders).Send("o2", Order{Customer: "ann", Cents: 50})
	d.Input(orders).Delete("o1")
	// Output:
	// ann 100
	// ann 75
	// ann 50
}

// Of the changes of a minute only the last is told.
func ExampleTable_Suppress() {
	b := dsl.NewBuilder()
	b.Table(stock, "stock").
		Suppress(dsl.Every(time.Minute)).
		ToStream().
		TryForEach(show)

	d := drive(b)
	d.Input(stock).SendAt(at(0), "lamp", 3)
	d.Input(stock).SendAt(at(20), "lamp", 2)
	d.Input(stock).SendAt(at(61), "sofa", 1)
	// Output: lamp 2
}

func ExampleEvery() {
	b := dsl.NewBuilder()
	b.Table(stock, "stock").
		Suppress(dsl.Every(time.Minute), dsl.Named("calm")).
		ToStream().
		TryForEach(show)

	d := drive(b)
	d.Input(stock).SendAt(at(0), "lamp", 3)
	d.Input(stock).SendAt(at(60), "lamp", 2) // a minute is over: the change goes, and this is it now
	// Output: lamp 2
}

func ExampleSuppression_MaxRecords() {
	b := dsl.NewBuilder()
	b.Table(stock, "stock").
		Suppress(dsl.Every(time.Hour).MaxRecords(1)).
		ToStream().
		TryForEach(show)

	d := drive(b)
	d.Input(stock).SendAt(at(0), "lamp", 3)
	d.Input(stock).SendAt(at(1), "sofa", 1) // one too many
	// Output: lamp 3
}

func ExampleSuppression_MaxBytes() {
	b := dsl.NewBuilder()
	b.Table(stock, "stock").
		Suppress(dsl.Every(time.Hour).MaxBytes(80)).
		ToStream().
		TryForEach(show)

	d := drive(b)
	d.Input(stock).SendAt(at(0), "lamp", 3)
	d.Input(stock).SendAt(at(1), "sofa", 1)
	// Output: lamp 3
}

func ExampleSuppression_FailWhenFull() {
	b := dsl.NewBuilder()
	b.Table(stock, "stock").
		Suppress(dsl.Every(time.Hour).MaxRecords(1).FailWhenFull(), dsl.Named("calm")).
		ToStream().
		TryForEach(show)

	d := drive(b)
	defer func() { fmt.Println(recover()) }()
	d.Input(stock).SendAt(at(0), "lamp", 3)
	d.Input(stock).SendAt(at(1), "sofa", 1)
	// Output: testdriver: task 0_0: processor: node "calm": dsl: the buffer is full with 2 records, 90 bytes
}

// Without a cache each update is written and told at once, and not only the
// last one before a commit.
func ExampleUncached() {
	for _, opts := range [][]dsl.StoreOption{nil, {dsl.Uncached()}} {
		b := dsl.NewBuilder()
		b.Stream(readings).
			GroupByKey().
			Count("counts", opts...).
			ToStream().
			TryForEach(show)

		d := drive(b, testdriver.ManualCommit())
		d.Input(readings).Send("JFK", 4)
		d.Input(readings).Send("JFK", 5)
		fmt.Println("commit")
		d.Commit()
	}
	// Output:
	// commit
	// JFK 2
	// JFK 1
	// JFK 2
	// commit
}

func ExampleUnlogged() {
	b := dsl.NewBuilder()
	b.Stream(readings).GroupByKey().Count("counts", dsl.Unlogged())

	d := drive(b)
	d.Input(readings).Send("JFK", 4)
	fmt.Println(len(d.Records()), "records to changelogs")
	// Output: 0 records to changelogs
}

func ExampleLogConfig() {
	b := dsl.NewBuilder()
	counts := b.Stream(readings).
		GroupByKey().
		Count("counts", dsl.LogConfig(map[string]string{"segment.ms": "600000"}))
	fmt.Println(counts.Store().Spec().TopicConfig())
	// Output: map[cleanup.policy:compact segment.ms:600000]
}

func ExampleInMemory() {
	b := dsl.NewBuilder()
	counts := b.Stream(readings).GroupByKey().Count("counts", dsl.InMemory())
	fmt.Println(counts.Store().Spec().InMemory)
	// Output: true
}

// Who deletes a row is told to those who read the changelog.
func ExampleLogTombstoneHeaders() {
	b := dsl.NewBuilder()
	b.Table(airports, "airports", dsl.LogTombstoneHeaders())

	d := drive(b)
	d.Input(airports).Send("JFK", "Idlewild")
	d.Input(airports).SendRecord(processor.Record[string, string]{
		Key: "JFK", NullValue: true, Headers: processor.Headers{{Key: "by", Value: []byte("ann")}},
	})
	for _, r := range d.Records() {
		by, _ := r.Headers.Get("by")
		fmt.Printf("%s %q by %q\n", r.Key, r.Value, by)
	}
	// Output:
	// JFK "Idlewild" by ""
	// JFK "" by "ann"
}
