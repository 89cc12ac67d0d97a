package dsl_test

import (
	"fmt"
	"time"

	"github.com/thalweg/thalweg/dsl"
	"github.com/thalweg/thalweg/processor"
	"github.com/thalweg/thalweg/serde"
	"github.com/thalweg/thalweg/testdriver"
	"github.com/thalweg/thalweg/topology"
	"github.com/thalweg/thalweg/windowing"
)

var (
	clicks = topology.NewTopic("clicks", serde.String, serde.String)
	views  = topology.NewTopic("views", serde.String, serde.String)
)

func ExampleStream_Join() {
	b := dsl.NewBuilder()
	b.Stream(clicks).
		Join("clicked-views", b.Stream(views), windowing.Within(time.Minute),
			func(click, view string) string { return click + " after " + view }).
		TryForEach(show)

	d := drive(b)
	d.Input(views).SendAt(at(0), "ann", "lamps")
	d.Input(clicks).SendAt(at(30), "ann", "buy")
	d.Input(clicks).SendAt(at(100), "ann", "leave")
	// Output: ann buy after lamps
}

// A click meets the views of the minute before it, not those after it.
func ExampleStream_JoinWithKey() {
	b := dsl.NewBuilder()
	b.Stream(clicks).
		JoinWithKey("clicked-views", b.Stream(views), windowing.Within(0).WithBefore(time.Minute),
			func(user, click, view string) string { return user + ": " + view + ", " + click }).
		ForEach(func(_, what string) { fmt.Println(what) })

	d := drive(b)
	d.Input(views).SendAt(at(0), "ann", "lamps")
	d.Input(clicks).SendAt(at(30), "ann", "buy")
	d.Input(views).SendAt(at(40), "ann", "sofas")
	// Output: ann: lamps, buy
}

// What met nothing is told when its window and the grace are over.
func ExampleStream_LeftJoin() {
	b := dsl.NewBuilder()
	b.Stream(views).
		LeftJoin("view-clicks", b.Stream(clicks), windowing.Within(time.Minute).WithGrace(10*time.Second),
			func(view string, click dsl.Maybe[string]) string { return view + ": " + click.Or("nothing") }).
		TryForEach(show)

	d := drive(b)
	d.Input(views).SendAt(at(0), "ann", "lamps")
	d.Input(clicks).SendAt(at(30), "ann", "buy")
	d.Input(views).SendAt(at(40), "bob", "sofas")
	d.Input(clicks).SendAt(at(200), "eve", "buy")
	// Output:
	// ann lamps: buy
	// bob sofas: nothing
}

func ExampleStream_LeftJoinWithKey() {
	b := dsl.NewBuilder()
	b.Stream(views).
		LeftJoinWithKey("view-clicks", b.Stream(clicks), windowing.Within(time.Minute),
			func(user, view string, click dsl.Maybe[string]) string {
				return user + " saw " + view + ", did " + click.Or("nothing")
			}).
		ForEach(func(_, what string) { fmt.Println(what) })

	d := drive(b)
	d.Input(views).SendAt(at(0), "ann", "lamps")
	d.Input(views).SendAt(at(100), "bob", "sofas")
	// Output: ann saw lamps, did nothing
}

func ExampleStream_OuterJoin() {
	b := dsl.NewBuilder()
	b.Stream(views).
		OuterJoin("views-and-clicks", b.Stream(clicks), windowing.Within(time.Minute),
			func(view, click dsl.Maybe[string]) string { return view.Or("-") + " " + click.Or("-") }).
		TryForEach(show)

	d := drive(b)
	d.Input(views).SendAt(at(0), "ann", "lamps")
	d.Input(clicks).SendAt(at(10), "bob", "buy")
	d.Input(clicks).SendAt(at(200), "eve", "buy")
	// Output:
	// ann lamps -
	// bob - buy
}

func ExampleStream_OuterJoinWithKey() {
	b := dsl.NewBuilder()
	b.Stream(views).
		OuterJoinWithKey("views-and-clicks", b.Stream(clicks), windowing.Within(time.Minute),
			func(user string, view, click dsl.Maybe[string]) string {
				return user + " " + view.Or("-") + " " + click.Or("-")
			}).
		ForEach(func(_, what string) { fmt.Println(what) })

	d := drive(b)
	d.Input(clicks).SendAt(at(0), "bob", "buy")
	d.Input(clicks).SendAt(at(200), "eve", "buy")
	// Output: bob - buy
}

func ExampleStoresAs() {
	b := dsl.NewBuilder()
	b.Stream(clicks).Join("clicked-views", b.Stream(views), windowing.Within(time.Minute), dsl.Both, dsl.StoresAs("joined")).
		ForEach(func(string, dsl.Pair[string, string]) {})

	d := drive(b)
	d.Input(clicks).Send("ann", "buy")
	d.Input(views).Send("ann", "lamps")
	fmt.Println(topics(d))
	// Output: test-joined-other-join-store-changelog test-joined-this-join-store-changelog
}

// Only the stream causes results.
func ExampleStream_JoinTable() {
	b := dsl.NewBuilder()
	b.Stream(readings).
		JoinTable(b.Table(airports, "airports"),
			func(degrees int64, name string) string { return fmt.Sprint(degrees, " degrees in ", name) }).
		TryForEach(show)

	d := drive(b)
	d.Input(readings).Send("JFK", 3)
	d.Input(airports).Send("JFK", "New York")
	d.Input(readings).Send("JFK", 4)
	// Output: JFK 4 degrees in New York
}

func ExampleStream_JoinTableWithKey() {
	b := dsl.NewBuilder()
	b.Stream(readings).
		JoinTableWithKey(b.Table(airports, "airports"),
			func(code string, degrees int64, name string) string {
				return fmt.Sprint(name, " (", code, "): ", degrees)
			}).
		ForEach(func(_, text string) { fmt.Println(text) })

	d := drive(b)
	d.Input(airports).Send("JFK", "New York")
	d.Input(readings).Send("JFK", 4)
	// Output: New York (JFK): 4
}

func ExampleStream_LeftJoinTable() {
	b := dsl.NewBuilder()
	b.Stream(readings).
		LeftJoinTable(b.Table(airports, "airports"),
			func(degrees int64, name dsl.Maybe[string]) string {
				return fmt.Sprint(degrees, " in ", name.Or("nowhere"))
			}).
		TryForEach(show)

	d := drive(b)
	d.Input(readings).Send("JFK", 3)
	d.Input(airports).Send("JFK", "New York")
	d.Input(readings).Send("JFK", 4)
	// Output:
	// JFK 3 in nowhere
	// JFK 4 in New York
}

func ExampleStream_LeftJoinTableWithKey() {
	b := dsl.NewBuilder()
	b.Stream(readings).
		LeftJoinTableWithKey(b.Table(airports, "airports"),
			func(code string, degrees int64, name dsl.Maybe[string]) string {
				return fmt.Sprint(degrees, " in ", name.Or(code))
			}).
		ForEach(func(_, text string) { fmt.Println(text) })

	d := drive(b)
	d.Input(readings).Send("JFK", 3)
	// Output: 3 in JFK
}

// A reading meets the name that was valid at its time, even if a newer one is
// known already, and even if that name came ten seconds late.
func ExampleJoinGrace() {
	b := dsl.NewBuilder()
	b.Stream(readings).
		JoinTable(b.Table(airports, "airports", dsl.Versioned(time.Hour)),
			func(degrees int64, name string) string { return fmt.Sprint(degrees, " in ", name) },
			dsl.JoinGrace(10*time.Second), dsl.Named("place")).
		TryForEach(show)

	d := drive(b)
	d.Input(airports).SendAt(at(0), "JFK", "Idlewild")
	d.Input(readings).SendAt(at(50), "JFK", 3)
	d.Input(airports).SendAt(at(45), "JFK", "Kennedy")
	d.Input(readings).SendAt(at(60), "JFK", 4)
	// Output: JFK 3 in Kennedy
}

func ExampleVersioned() {
	b := dsl.NewBuilder()
	b.Stream(readings).
		JoinTable(b.Table(airports, "airports", dsl.Versioned(time.Hour)),
			func(degrees int64, name string) string { return fmt.Sprint(degrees, " in ", name) }).
		TryForEach(show)

	d := drive(b)
	d.Input(airports).SendAt(at(0), "JFK", "Idlewild")
	d.Input(airports).SendAt(at(100), "JFK", "Kennedy")
	d.Input(readings).SendAt(at(50), "JFK", 3)
	// Output: JFK 3 in Idlewild
}

func ExampleVersionedStore() {
	b := dsl.NewBuilder()
	names := b.Table(airports, "airports", dsl.Versioned(time.Hour))

	d := drive(b)
	d.Input(airports).SendAt(at(0), "JFK", "Idlewild")
	d.Input(airports).SendAt(at(100), "JFK", "Kennedy")
	name, _, ok, err := d.Store(dsl.VersionedStore(names)).GetAsOf("JFK", 99_999)
	fmt.Println(name, ok, err)
	// Output: Idlewild true <nil>
}

// Any key can be looked up in a global table, as every process has all of it.
func ExampleStream_JoinGlobal() {
	b := dsl.NewBuilder()
	names := b.GlobalTable(customers, "customers")
	b.Stream(orders).
		JoinGlobal(names,
			func(_ string, o Order) string { return o.Customer },
			func(o Order, name string) string { return o.Item + " for " + name }).
		TryForEach(show)

	d := drive(b)
	d.Input(customers).Send("c7", "Ann")
	d.Input(orders).Send("o1", Order{Customer: "c7", Item: "lamp"})
	d.Input(orders).Send("o2", Order{Customer: "c8", Item: "sofa"})
	// Output: o1 lamp for Ann
}

func ExampleStream_JoinGlobalWithKey() {
	b := dsl.NewBuilder()
	names := b.GlobalTable(customers, "customers")
	b.Stream(orders).
		JoinGlobalWithKey(names, customerOf,
			func(id string, o Order, name string) string { return id + ": " + o.Item + " for " + name }).
		ForEach(func(_, text string) { fmt.Println(text) })

	d := drive(b)
	d.Input(customers).Send("c7", "Ann")
	d.Input(orders).Send("o1", Order{Customer: "c7", Item: "lamp"})
	// Output: o1: lamp for Ann
}

// The record's key is an order, the key looked up a customer.
func ExampleStream_JoinGlobalWithKeys() {
	b := dsl.NewBuilder()
	names := b.GlobalTable(customers, "customers")
	b.Stream(orders).
		JoinGlobalWithKeys(names, customerOf,
			func(id, customer string, o Order, name string) string {
				return id + ": " + o.Item + " for " + name + " (" + customer + ")"
			}).
		ForEach(func(_, text string) { fmt.Println(text) })

	d := drive(b)
	d.Input(customers).Send("c7", "Ann")
	d.Input(orders).Send("o1", Order{Customer: "c7", Item: "lamp"})
	// Output: o1: lamp for Ann (c7)
}

func ExampleStream_LeftJoinGlobal() {
	b := dsl.NewBuilder()
	names := b.GlobalTable(customers, "customers")
	b.Stream(orders).
		LeftJoinGlobal(names, customerOf,
			func(o Order, name dsl.Maybe[string]) string { return o.Item + " for " + name.Or("somebody") }).
		TryForEach(show)

	d := drive(b)
	d.Input(orders).Send("o2", Order{Customer: "c8", Item: "sofa"})
	// Output: o2 sofa for somebody
}

func ExampleStream_LeftJoinGlobalWithKey() {
	b := dsl.NewBuilder()
	names := b.GlobalTable(customers, "customers")
	b.Stream(orders).
		LeftJoinGlobalWithKey(names, customerOf,
			func(id string, o Order, name dsl.Maybe[string]) string { return id + " for " + name.Or(o.Customer) }).
		ForEach(func(_, text string) { fmt.Println(text) })

	d := drive(b)
	d.Input(orders).Send("o2", Order{Customer: "c8"})
	// Output: o2 for c8
}

func ExampleStream_LeftJoinGlobalWithKeys() {
	b := dsl.NewBuilder()
	names := b.GlobalTable(customers, "customers")
	b.Stream(orders).
		LeftJoinGlobalWithKeys(names, customerOf,
			func(id, customer string, o Order, name dsl.Maybe[string]) string {
				return id + " for " + name.Or(customer)
			}).
		ForEach(func(_, text string) { fmt.Println(text) })

	d := drive(b)
	d.Input(orders).Send("o2", Order{Customer: "c8"})
	// Output: o2 for c8
}

func ExampleMaybe_Or() {
	fmt.Println(dsl.Maybe[string]{Value: "Ann", OK: true}.Or("nobody"), dsl.Maybe[string]{}.Or("nobody"))
	// Output: Ann nobody
}

func ExampleGlobalTable_Store() {
	b := dsl.NewBuilder()
	names := b.GlobalTable(customers, "customers")
	b.Stream(orders).ForEach(func(string, Order) {})

	d := drive(b)
	d.Input(customers).Send("c7", "Ann")
	name, _, ok, err := d.Store(names.Store()).Get("c7")
	fmt.Println(name, ok, err)
	// Output: Ann true <nil>
}

// prices and stock are two tables by item.
var (
	prices = topology.NewTopic("prices", serde.String, serde.Int64)
	stock  = topology.NewTopic("stock", serde.String, serde.Int64)
)

// sendItems changes both tables, and deletes a row.
func sendItems(d *testdriver.Driver) {
	d.Input(prices).Send("lamp", 1999)
	d.Input(stock).Send("lamp", 3)
	d.Input(stock).Send("sofa", 1)
	d.Input(prices).Delete("lamp")
}

func ExampleTable_Join() {
	b := dsl.NewBuilder()
	b.Table(prices, "prices").
		Join(b.Table(stock, "stock"), func(cents, n int64) string { return fmt.Sprint(n, " at ", cents) }).
		ToStream().
		TryForEach(show)

	sendItems(drive(b))
	// Output:
	// lamp 3 at 1999
	// lamp deleted
}

func ExampleTable_JoinWithKey() {
	b := dsl.NewBuilder()
	b.Table(prices, "prices").
		JoinWithKey(b.Table(stock, "stock"), func(item string, cents, n int64) string { return fmt.Sprint(n, " ", item, " at ", cents) }).
		ToStream().
		TryForEach(show)

	sendItems(drive(b))
	// Output:
	// lamp 3 lamp at 1999
	// lamp deleted
}

func ExampleTable_LeftJoin() {
	b := dsl.NewBuilder()
	b.Table(prices, "prices").
		LeftJoin(b.Table(stock, "stock"), func(cents int64, n dsl.Maybe[int64]) string { return fmt.Sprint(n.Or(0), " at ", cents) }).
		ToStream().
		TryForEach(show)

	sendItems(drive(b))
	// Output:
	// lamp 0 at 1999
	// lamp 3 at 1999
	// lamp deleted
}

func ExampleTable_LeftJoinWithKey() {
	b := dsl.NewBuilder()
	b.Table(prices, "prices").
		LeftJoinWithKey(b.Table(stock, "stock"), func(item string, cents int64, n dsl.Maybe[int64]) string {
			return fmt.Sprint(n.Or(0), " ", item, " at ", cents)
		}).
		ToStream().
		TryForEach(show)

	d := drive(b)
	d.Input(prices).Send("lamp", 1999)
	// Output: lamp 0 lamp at 1999
}

func ExampleTable_OuterJoin() {
	b := dsl.NewBuilder()
	b.Table(prices, "prices").
		OuterJoin(b.Table(stock, "stock"), func(cents, n dsl.Maybe[int64]) string { return fmt.Sprint(n.Or(0), " at ", cents.Or(-1)) }).
		ToStream().
		TryForEach(show)

	sendItems(drive(b))
	// Output:
	// lamp 0 at 1999
	// lamp 3 at 1999
	// sofa 1 at -1
	// lamp 3 at -1
}

func ExampleTable_OuterJoinWithKey() {
	b := dsl.NewBuilder()
	b.Table(prices, "prices").
		OuterJoinWithKey(b.Table(stock, "stock"), func(item string, cents, n dsl.Maybe[int64]) string {
			return fmt.Sprint(n.Or(0), " ", item)
		}).
		ToStream().
		TryForEach(show)

	d := drive(b)
	d.Input(stock).Send("sofa", 1)
	// Output: sofa 1 sofa
}

// Both sides cause results: an order, and a change of the customer's name.
func ExampleTable_JoinOn() {
	b := dsl.NewBuilder()
	b.Table(orders, "orders").
		JoinOn("billing", b.Table(customers, "customers"),
			func(_ string, o Order) (string, bool) { return o.Customer, o.Customer != "" },
			func(o Order, name string) string { return o.Item + " for " + name }).
		ToStream().
		TryForEach(show)

	d := drive(b)
	d.Input(customers).Send("c7", "Ann")
	d.Input(orders).Send("o1", Order{Customer: "c7", Item: "lamp"})
	d.Input(orders).Send("o2", Order{Customer: "c7", Item: "sofa"})
	d.Input(customers).Send("c7", "Anna")
	// Output:
	// o1 lamp for Ann
	// o2 sofa for Ann
	// o1 lamp for Anna
	// o2 sofa for Anna
}

// The customers' topic has them by the last digit of their number.
func ExamplePartitionForeign() {
	digit := func(customer string, n int32) int32 { return int32(customer[len(customer)-1]-'0') % n }
	b := dsl.NewBuilder()
	b.Table(orders, "orders").
		JoinOn("billing", b.Table(customers, "customers"),
			func(_ string, o Order) (string, bool) { return o.Customer, o.Customer != "" },
			func(o Order, name string) string { return o.Item + " for " + name },
			dsl.PartitionForeign(digit)).
		ToStream().
		TryForEach(show)

	d := drive(b, testdriver.Partitions(3))
	for i, name := range []string{"Ann", "Bob", "Eve"} {
		d.SendRaw(processor.RawRecord{Topic: "customers", Partition: int32(i), Key: []byte(fmt.Sprint("c", i)), Value: []byte(name)})
		d.Input(orders).Send(fmt.Sprint("o", i), Order{Customer: fmt.Sprint("c", i), Item: "lamp"})
	}
	// Output:
	// o0 lamp for Ann
	// o1 lamp for Bob
	// o2 lamp for Eve
}

// The header of an order names the region that its customer is in, which is the
// partition of the customers' topic.
func ExamplePartitionForeignByHeaders() {
	b := dsl.NewBuilder()
	b.Table(orders, "orders").
		JoinOn("billing", b.Table(customers, "customers"),
			func(_ string, o Order) (string, bool) { return o.Customer, o.Customer != "" },
			func(o Order, name string) string { return o.Item + " for " + name },
			dsl.PartitionForeignByHeaders(func(_ string, h processor.Headers, n int32) int32 { return regionOf(h) % n })).
		ToStream().
		TryForEach(show)

	d := drive(b, testdriver.Partitions(3))
	d.SendRaw(processor.RawRecord{Topic: "customers", Partition: 2, Key: []byte("c7"), Value: []byte("Ann")})
	d.Input(orders).SendRecord(processor.Record[string, Order]{
		Key: "o1", Value: Order{Customer: "c7", Item: "lamp"}, Headers: processor.Headers{{Key: "region", Value: []byte("2")}},
	})
	// Output: o1 lamp for Ann
}

func regionOf(h processor.Headers) int32 {
	region, _ := h.Get("region")
	return int32(region[0] - '0')
}

// The orders of a region are in one partition; what a customer's change causes
// has the customer's headers, so that its region is there too.
func ExamplePartitionRowsByHeaders() {
	byRegion := func(_ string, h processor.Headers, n int32) int32 { return regionOf(h) % n }
	b := dsl.NewBuilder()
	b.Table(orders, "orders").
		JoinOn("billing", b.Table(customers, "customers"),
			func(_ string, o Order) (string, bool) { return o.Customer, o.Customer != "" },
			func(o Order, name string) string { return o.Item + " for " + name },
			dsl.PartitionForeignByHeaders(byRegion), dsl.PartitionRowsByHeaders(byRegion)).
		ToStream().
		TryForEach(show)

	region := processor.Headers{{Key: "region", Value: []byte("2")}}
	order, _ := orders.Value.Append(nil, Order{Customer: "c7", Item: "lamp"})
	d := drive(b, testdriver.Partitions(3))
	d.SendRaw(processor.RawRecord{Topic: "orders", Partition: 2, Key: []byte("o1"), Value: order, Headers: region})
	d.SendRaw(processor.RawRecord{Topic: "customers", Partition: 2, Key: []byte("c7"), Value: []byte("Ann"), Headers: region})
	d.SendRaw(processor.RawRecord{Topic: "customers", Partition: 2, Key: []byte("c7"), Value: []byte("Anna"), Headers: region})
	// Output:
	// o1 lamp for Ann
	// o1 lamp for Anna
}

// By default answers go to the partition that asked, so this says nothing new.
func ExamplePartitionRows() {
	digit := func(order string, n int32) int32 { return int32(order[len(order)-1]-'0') % n }
	b := dsl.NewBuilder()
	b.Table(orders, "orders").
		JoinOn("billing", b.Table(customers, "customers"),
			func(_ string, o Order) (string, bool) { return o.Customer, o.Customer != "" },
			func(o Order, name string) string { return o.Item + " for " + name },
			dsl.PartitionRows(digit)).
		ToStream().
		TryForEach(show)

	d := drive(b, testdriver.Partitions(3))
	d.SendRaw(processor.RawRecord{Topic: "orders", Partition: 1, Key: []byte("o1"), Value: []byte(`{"Customer":"c7","Item":"lamp"}`)})
	d.Input(customers).Send("c7", "Ann")
	// Output: o1 lamp for Ann
}

func ExampleTable_LeftJoinOn() {
	b := dsl.NewBuilder()
	b.Table(orders, "orders").
		LeftJoinOn("billing", b.Table(customers, "customers"),
			func(_ string, o Order) (string, bool) { return o.Customer, o.Customer != "" },
			func(o Order, name dsl.Maybe[string]) string { return o.Item + " for " + name.Or("somebody") }).
		ToStream().
		TryForEach(show)

	d := drive(b)
	d.Input(orders).Send("o1", Order{Customer: "c7", Item: "lamp"})
	d.Input(orders).Send("o2", Order{Item: "sofa"})
	d.Input(customers).Send("c7", "Ann")
	// Output:
	// o1 lamp for somebody
	// o2 sofa for somebody
	// o1 lamp for Ann
}
