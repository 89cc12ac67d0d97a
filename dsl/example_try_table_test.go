package dsl_test

import (
	"fmt"
	"strings"
	"time"

	"github.com/thalweg/thalweg/dsl"
	"github.com/thalweg/thalweg/processor"
	"github.com/thalweg/thalweg/testdriver"
	"github.com/thalweg/thalweg/windowing"
)

// stocked joins a price with what is in stock, but not a price below zero.
func stocked(_ *processor.Context, item string, cents, n int64) (string, error) {
	if cents < 0 {
		return "", fmt.Errorf("%s costs %d", item, cents)
	}
	return fmt.Sprint(n, " at ", cents), nil
}

// tryItems corrects a wrong price.
func tryItems(b *dsl.Builder) {
	d := drive(b, testdriver.OnFailure(skipErrors))
	d.Input(stock).Send("lamp", 3)
	d.Input(prices).Send("lamp", -1)
	d.Input(prices).Send("lamp", 1999)
}

func ExampleTable_TryJoin() {
	b := dsl.NewBuilder()
	b.Table(prices, "prices").TryJoin(b.Table(stock, "stock"), stocked).ToStream().TryForEach(show)
	tryItems(b)
	// Output:
	// skipped: lamp costs -1
	// lamp 3 at 1999
}

func ExampleTable_TryLeftJoin() {
	b := dsl.NewBuilder()
	b.Table(prices, "prices").
		TryLeftJoin(b.Table(stock, "stock"), func(c *processor.Context, item string, cents int64, n dsl.Maybe[int64]) (string, error) {
			return stocked(c, item, cents, n.Or(0))
		}).
		ToStream().TryForEach(show)
	tryItems(b)
	// Output:
	// skipped: lamp costs -1
	// lamp 3 at 1999
}

func ExampleTable_TryOuterJoin() {
	b := dsl.NewBuilder()
	b.Table(prices, "prices").
		TryOuterJoin(b.Table(stock, "stock"), func(c *processor.Context, item string, cents, n dsl.Maybe[int64]) (string, error) {
			return stocked(c, item, cents.Or(0), n.Or(0))
		}).
		ToStream().TryForEach(show)
	tryItems(b)
	// Output:
	// lamp 3 at 0
	// skipped: lamp costs -1
	// lamp 3 at 1999
}

// billed is a line of a bill, unless the price is negative.
func billed(_ *processor.Context, id string, o Order, name string) (string, error) {
	if o.Cents < 0 {
		return "", fmt.Errorf("%s costs %d", id, o.Cents)
	}
	return o.Item + " for " + name, nil
}

// tryBills bills two orders, of which one has a negative price.
func tryBills(b *dsl.Builder) {
	d := drive(b, testdriver.OnFailure(skipErrors))
	d.Input(customers).Send("c7", "Ann")
	d.Input(orders).Send("o1", Order{Customer: "c7", Item: "lamp", Cents: -5})
	d.Input(orders).Send("o2", Order{Customer: "c7", Item: "sofa", Cents: 5})
}

func ExampleTable_TryJoinOn() {
	b := dsl.NewBuilder()
	b.Table(orders, "orders").
		TryJoinOn("billing", b.Table(customers, "customers"),
			func(_ string, o Order) (string, bool) { return o.Customer, true }, billed).
		ToStream().TryForEach(show)
	tryBills(b)
	// Output:
	// skipped: o1 costs -5
	// o2 sofa for Ann
}

func ExampleTable_TryLeftJoinOn() {
	b := dsl.NewBuilder()
	b.Table(orders, "orders").
		TryLeftJoinOn("billing", b.Table(customers, "customers"),
			func(_ string, o Order) (string, bool) { return o.Customer, true },
			func(c *processor.Context, id string, o Order, name dsl.Maybe[string]) (string, error) {
				return billed(c, id, o, name.Or("somebody"))
			}).
		ToStream().TryForEach(show)
	tryBills(b)
	// Output:
	// skipped: o1 costs -5
	// o2 sofa for Ann
}

func ExampleStream_TryJoinGlobal() {
	b := dsl.NewBuilder()
	names := b.GlobalTable(customers, "customers")
	b.Stream(orders).
		TryJoinGlobal(names, customerOf, func(c *processor.Context, r processor.Record[string, Order], name string) (string, error) {
			return billed(c, r.Key, r.Value, name)
		}).
		TryForEach(show)
	tryBills(b)
	// Output:
	// skipped: o1 costs -5
	// o2 sofa for Ann
}

func ExampleStream_TryLeftJoinGlobal() {
	b := dsl.NewBuilder()
	names := b.GlobalTable(customers, "customers")
	b.Stream(orders).
		TryLeftJoinGlobal(names, customerOf, func(c *processor.Context, r processor.Record[string, Order], name dsl.Maybe[string]) (string, error) {
			return billed(c, r.Key, r.Value, name.Or("somebody"))
		}).
		TryForEach(show)
	tryBills(b)
	// Output:
	// skipped: o1 costs -5
	// o2 sofa for Ann
}

func ExampleStream_TryJoinGlobalWithKeys() {
	b := dsl.NewBuilder()
	names := b.GlobalTable(customers, "customers")
	b.Stream(orders).
		TryJoinGlobalWithKeys(names, customerOf, func(c *processor.Context, r processor.Record[string, Order], customer, name string) (string, error) {
			return billed(c, r.Key, r.Value, name+" ("+customer+")")
		}).
		TryForEach(show)
	tryBills(b)
	// Output:
	// skipped: o1 costs -5
	// o2 sofa for Ann (c7)
}

func ExampleStream_TryLeftJoinGlobalWithKeys() {
	b := dsl.NewBuilder()
	names := b.GlobalTable(customers, "customers")
	b.Stream(orders).
		TryLeftJoinGlobalWithKeys(names, customerOf, func(c *processor.Context, r processor.Record[string, Order], customer string, name dsl.Maybe[string]) (string, error) {
			return billed(c, r.Key, r.Value, name.Or(customer))
		}).
		TryForEach(show)
	tryBills(b)
	// Output:
	// skipped: o1 costs -5
	// o2 sofa for Ann
}

// spend and unspend keep a sum that must not become negative.
func spend(_ *processor.Context, r processor.Record[string, int64], sum int64) (int64, error) {
	if sum+r.Value < 0 {
		return 0, fmt.Errorf("%s would have %d", r.Key, sum+r.Value)
	}
	return sum + r.Value, nil
}

func unspend(c *processor.Context, r processor.Record[string, int64], sum int64) (int64, error) {
	r.Value = -r.Value
	return spend(c, r, sum)
}

// A correction that cannot be made leaves the group as it was.
func tryCorrections(b *dsl.Builder) {
	d := drive(b, testdriver.OnFailure(skipErrors))
	d.Input(orders).Send("o1", Order{Customer: "ann", Cents: 100})
	d.Input(orders).Send("o1", Order{Customer: "ann", Cents: -50})
	d.Input(orders).Send("o2", Order{Customer: "ann", Cents: 20})
}

func ExampleGroupedTable_TryReduce() {
	b := dsl.NewBuilder()
	b.Table(orders, "orders").
		GroupBy(func(_ string, o Order) (string, int64) { return o.Customer, o.Cents }).
		TryReduce("spent", spend, unspend).
		ToStream().TryForEach(show)
	tryCorrections(b)
	// Output:
	// ann 100
	// skipped: ann would have -50
	// ann 120
}

func ExampleGroupedTable_TryAggregate() {
	b := dsl.NewBuilder()
	b.Table(orders, "orders").
		GroupBy(func(_ string, o Order) (string, int64) { return o.Customer, o.Cents }).
		TryAggregate("spent", none, spend, unspend).
		ToStream().TryForEach(show)
	tryCorrections(b)
	// Output:
	// ann 100
	// skipped: ann would have -50
	// ann 120
}

// visit adds a page to a path, unless it has no name.
func visit(_ *processor.Context, r processor.Record[string, string], path string) (string, error) {
	if r.Value == "" {
		return "", fmt.Errorf("%s is nowhere", r.Key)
	}
	return strings.TrimSpace(path + " " + r.Value), nil
}

func ExampleGrouped_TryCogroup() {
	b := dsl.NewBuilder()
	b.Stream(lines).GroupByKey().
		TryCogroup(visit).
		Aggregate("paths", empty).
		ToStream().TryForEach(show)

	d := drive(b, testdriver.OnFailure(skipErrors))
	d.Input(lines).Send("ann", "lamps")
	d.Input(lines).Send("ann", "")
	// Output:
	// ann lamps
	// skipped: ann is nowhere
}

func ExampleCogrouped_TryAnd() {
	b := dsl.NewBuilder()
	b.Stream(totals).GroupByKey().
		Cogroup(func(_ string, n int64, path string) string { return fmt.Sprint(path, n) }).
		TryAnd(b.Stream(lines).GroupByKey(), visit).
		Aggregate("paths", empty).
		ToStream().TryForEach(show)

	d := drive(b, testdriver.OnFailure(skipErrors))
	d.Input(totals).Send("ann", 1)
	d.Input(lines).Send("ann", "")
	d.Input(lines).Send("ann", "lamps")
	// Output:
	// ann 1
	// skipped: ann is nowhere
	// ann 1 lamps
}

func ExampleSessionWindowed_TryReduce() {
	b := dsl.NewBuilder()
	b.Stream(lines).GroupByKey().
		SessionBy(windowing.Sessions(time.Minute)).
		TryReduce("paths", visit).
		ToStream().TryForEach(showWindow)

	d := drive(b, testdriver.OnFailure(skipErrors))
	d.Input(lines).SendAt(at(100), "ann", "lamps")
	d.Input(lines).SendAt(at(101), "ann", "")
	d.Input(lines).SendAt(at(102), "ann", "sofas")
	// Output:
	// ann 100 to 100 is lamps
	// skipped: ann is nowhere
	// ann 100 to 100 deleted
	// ann 100 to 102 is lamps sofas
}
