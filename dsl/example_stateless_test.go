package dsl_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/thalweg/thalweg/dsl"
	"github.com/thalweg/thalweg/processor"
	"github.com/thalweg/thalweg/serde"
	"github.com/thalweg/thalweg/testdriver"
	"github.com/thalweg/thalweg/topology"
)

func ExampleStream_Filter() {
	b := dsl.NewBuilder()
	b.Stream(readings).
		Filter(func(_ string, degrees int64) bool { return degrees < 0 }).
		ForEach(func(airport string, degrees int64) { fmt.Println(airport, degrees) })

	d := drive(b)
	d.Input(readings).Send("JFK", 4)
	d.Input(readings).Send("ANC", -12)
	// Output: ANC -12
}

func ExampleStream_FilterNot() {
	b := dsl.NewBuilder()
	b.Stream(lines).
		FilterNot(func(_, line string) bool { return strings.HasPrefix(line, "#") }).
		ForEach(func(_, line string) { fmt.Println(line) })

	d := drive(b)
	d.Input(lines).Send("", "# a comment")
	d.Input(lines).Send("", "text")
	// Output: text
}

func ExampleStream_MapValues() {
	b := dsl.NewBuilder()
	b.Stream(orders).
		MapValues(func(o Order) string { return fmt.Sprintf("$%.2f", float64(o.Cents)/100) }).
		ForEach(func(id, price string) { fmt.Println(id, price) })

	d := drive(b)
	d.Input(orders).Send("o1", Order{Cents: 1999})
	// Output: o1 $19.99
}

func ExampleStream_MapValuesWithKey() {
	b := dsl.NewBuilder()
	b.Stream(readings).
		MapValuesWithKey(func(airport string, degrees int64) string {
			return fmt.Sprintf("%d degrees at %s", degrees, airport)
		}).
		ForEach(func(_, text string) { fmt.Println(text) })

	d := drive(b)
	d.Input(readings).Send("JFK", 4)
	// Output: 4 degrees at JFK
}

func ExampleStream_Map() {
	b := dsl.NewBuilder()
	b.Stream(orders).
		Map(func(_ string, o Order) (string, int64) { return o.Customer, o.Cents }).
		ForEach(func(customer string, cents int64) { fmt.Println(customer, cents) })

	d := drive(b)
	d.Input(orders).Send("o1", Order{Customer: "ann", Cents: 100})
	// Output: ann 100
}

func ExampleStream_SelectKey() {
	b := dsl.NewBuilder()
	b.Stream(orders).
		SelectKey(func(_ string, o Order) string { return o.Customer }).
		ForEach(func(customer string, o Order) { fmt.Println(customer, o.Item) })

	d := drive(b)
	d.Input(orders).Send("o1", Order{Customer: "ann", Item: "lamp"})
	// Output: ann lamp
}

func ExampleStream_FlatMap() {
	b := dsl.NewBuilder()
	b.Stream(lines).
		FlatMap(func(_, line string) iter.Seq2[string, int] {
			return func(yield func(string, int) bool) {
				for word := range strings.FieldsSeq(line) {
					if !yield(word, len(word)) {
						return
					}
				}
			}
		}).
		ForEach(func(word string, length int) { fmt.Println(word, length) })

	d := drive(b)
	d.Input(lines).Send("", "fog at noon")
	// Output:
	// fog 3
	// at 2
	// noon 4
}

// The iterators of the standard library fit as they are.
func ExampleStream_FlatMapValues() {
	b := dsl.NewBuilder()
	b.Stream(lines).
		FlatMapValues(strings.FieldsSeq).
		ForEach(func(line, word string) { fmt.Println(line, word) })

	d := drive(b)
	d.Input(lines).Send("line1", "fog at noon")
	// Output:
	// line1 fog
	// line1 at
	// line1 noon
}

func ExampleStream_FlatMapValuesWithKey() {
	b := dsl.NewBuilder()
	b.Stream(lines).
		FlatMapValuesWithKey(func(separator, line string) iter.Seq[string] {
			return strings.SplitSeq(line, separator)
		}).
		ForEach(func(_, part string) { fmt.Println(part) })

	d := drive(b)
	d.Input(lines).Send(";", "a;b")
	d.Input(lines).Send(",", "c,d")
	// Output:
	// a
	// b
	// c
	// d
}

func ExampleStream_Peek() {
	b := dsl.NewBuilder()
	b.Stream(readings).
		Peek(func(airport string, degrees int64) { fmt.Println("saw", airport, degrees) }).
		MapValues(func(degrees int64) int64 { return degrees*9/5 + 32 }).
		ForEach(func(airport string, fahrenheit int64) { fmt.Println(airport, fahrenheit) })

	d := drive(b)
	d.Input(readings).Send("JFK", 10)
	// Output:
	// saw JFK 10
	// JFK 50
}

func ExampleStream_ForEach() {
	b := dsl.NewBuilder()
	b.Stream(readings).ForEach(func(airport string, degrees int64) { fmt.Println(airport, degrees) })

	d := drive(b)
	d.Input(readings).Send("JFK", 4)
	// Output: JFK 4
}

func ExampleStream_Print() {
	b := dsl.NewBuilder()
	b.Stream(readings).Print(os.Stdout, "readings")

	d := drive(b)
	d.Input(readings).Send("JFK", 4)
	// Output: [readings]: JFK, 4
}

func ExampleStream_Merge() {
	arrivals := topology.NewTopic("arrivals", serde.String, serde.String)
	departures := topology.NewTopic("departures", serde.String, serde.String)

	b := dsl.NewBuilder()
	b.Stream(arrivals).
		Merge(b.Stream(departures)).
		ForEach(func(airport, flight string) { fmt.Println(airport, flight) })

	d := drive(b)
	d.Input(departures).Send("JFK", "DL 1 to London")
	d.Input(arrivals).Send("JFK", "AF 6 from Paris")
	// Output:
	// JFK DL 1 to London
	// JFK AF 6 from Paris
}

func ExampleStream_Split() {
	small := topology.NewTopic("small", serde.String, serde.JSON[Order]())
	large := topology.NewTopic("large", serde.String, serde.JSON[Order]())

	b := dsl.NewBuilder()
	split := b.Stream(orders).Split()
	split.Case("large", func(_ string, o Order) bool { return o.Cents >= 10_000 }).To(large)
	split.Default("small").To(small)

	d := drive(b)
	d.Input(orders).Send("o1", Order{Item: "lamp", Cents: 1999})
	d.Input(orders).Send("o2", Order{Item: "sofa", Cents: 79_900})
	fmt.Println("small:", d.Output(small).Read().Value.Item)
	fmt.Println("large:", d.Output(large).Read().Value.Item)
	// Output:
	// small: lamp
	// large: sofa
}

// The first case that takes a record has it; one that nobody takes is dropped.
func ExampleCases_Case() {
	b := dsl.NewBuilder()
	split := b.Stream(readings).Split()
	split.Case("frost", func(_ string, degrees int64) bool { return degrees < 0 }).
		ForEach(func(airport string, degrees int64) { fmt.Println("frost:", airport) })
	split.Case("cool", func(_ string, degrees int64) bool { return degrees < 15 }).
		ForEach(func(airport string, degrees int64) { fmt.Println("cool:", airport) })

	d := drive(b)
	d.Input(readings).Send("ANC", -12)
	d.Input(readings).Send("JFK", 4)
	d.Input(readings).Send("MIA", 30)
	// Output:
	// frost: ANC
	// cool: JFK
}

func ExampleCases_Default() {
	b := dsl.NewBuilder()
	split := b.Stream(readings).Split()
	split.Case("frost", func(_ string, degrees int64) bool { return degrees < 0 })
	split.Default("other").
		ForEach(func(airport string, degrees int64) { fmt.Println(airport, degrees) })

	d := drive(b)
	d.Input(readings).Send("ANC", -12)
	d.Input(readings).Send("MIA", 30)
	// Output: MIA 30
}

func ExampleStream_To() {
	b := dsl.NewBuilder()
	b.Stream(lines).MapValues(func(line string) int64 { return int64(len(line)) }).To(totals)

	d := drive(b)
	d.Input(lines).Send("line1", "fog at noon")
	fmt.Println(d.Output(totals).Read().Value)
	// Output: 11
}

// The topics must exist; the application does not make them.
func ExampleStream_ToFunc() {
	b := dsl.NewBuilder()
	b.Stream(orders).ToFunc(orders, func(_ *processor.Context, r processor.Record[string, Order]) (string, error) {
		if r.Value.Customer == "" {
			return "", errors.New("order without customer")
		}
		return "orders-of-" + r.Value.Customer, nil
	})

	d := drive(b)
	d.Input(orders).Send("o1", Order{Customer: "ann", Item: "lamp"})
	fmt.Println(d.Records()[0].Topic)
	// Output: orders-of-ann
}

// Repartition gives records with one key one task, and may change how many
// tasks work below.
func ExampleStream_Repartition() {
	b := dsl.NewBuilder()
	b.Stream(orders).
		SelectKey(func(_ string, o Order) string { return o.Customer }).
		Repartition("by-customer", dsl.Partitions(6)).
		ForEach(func(customer string, o Order) { fmt.Println(customer, o.Item) })

	d := drive(b)
	d.Input(orders).Send("o1", Order{Customer: "ann", Item: "lamp"})
	fmt.Println(d.Records()[0].Topic)
	// Output:
	// ann lamp
	// test-by-customer-repartition
}

func ExamplePartitionBy() {
	b := dsl.NewBuilder()
	b.Stream(readings).
		Repartition("by-climate", dsl.Partitions(2), dsl.PartitionBy(func(_ string, degrees int64, n int32) int32 {
			if degrees < 0 {
				return 0
			}
			return n - 1
		})).
		ForEach(func(string, int64) {})

	d := drive(b, testdriver.Partitions(1))
	d.Input(readings).Send("ANC", -12)
	d.Input(readings).Send("MIA", 30)
	for _, r := range d.Records() {
		fmt.Println(string(r.Key), "in partition", r.Partition)
	}
	// Output:
	// ANC in partition 0
	// MIA in partition 1
}

// Each tenant, which a header names, has a partition of its own.
func ExamplePartitionByRecord() {
	b := dsl.NewBuilder()
	b.Stream(readings).
		Repartition("by-tenant", dsl.Partitions(2), dsl.PartitionByRecord(func(r processor.Record[string, int64], n int32) int32 {
			tenant, _ := r.Headers.Get("tenant")
			return int32(len(tenant)) % n
		})).
		ForEach(func(string, int64) {})

	d := drive(b, testdriver.Partitions(1))
	for _, tenant := range []string{"ab", "xyz"} {
		d.Input(readings).SendRecord(processor.Record[string, int64]{
			Key: "ANC", Value: -12, Headers: processor.Headers{{Key: "tenant", Value: []byte(tenant)}},
		})
	}
	for _, r := range d.Records() {
		fmt.Println(string(r.Key), "in partition", r.Partition)
	}
	// Output:
	// ANC in partition 0
	// ANC in partition 1
}

// The partition of a station does not depend on the sensor at its end, so
// cutting the sensor off moves no record.
func ExampleKeepsPartition() {
	sensors := topology.NewTopic("sensors", serde.String, serde.Int64).
		WithPartitioner(func(sensor string, _ int64, n int32) int32 { return int32(sensor[0]) % n })

	b := dsl.NewBuilder()
	b.Stream(sensors).
		SelectKey(func(sensor string, _ int64) string { return sensor[:3] }, dsl.KeepsPartition()).
		GroupByKey().
		Count("per-station").
		ToStream().
		ForEach(func(station string, n int64) { fmt.Println(station, n) })

	d := drive(b)
	d.Input(sensors).Send("JFK/1", 4)
	d.Input(sensors).Send("JFK/2", 5)
	fmt.Println(strings.Contains(topics(d), "repartition"))
	// Output:
	// JFK 1
	// JFK 2
	// false
}

// topics are the topics that a program has written to.
func topics(d *testdriver.Driver) string {
	names := make(map[string]bool)
	for _, r := range d.Records() {
		names[r.Topic] = true
	}
	return strings.Join(slices.Sorted(maps.Keys(names)), " ")
}

func ExampleNamed() {
	b := dsl.NewBuilder()
	b.Stream(readings).
		Filter(func(_ string, degrees int64) bool { return degrees < 0 }, dsl.Named("frost")).
		To(totals, dsl.Named("write-frost"))
	t, err := b.Build()
	if err != nil {
		panic(err)
	}
	fmt.Print(t.Describe())
	// Output:
	// Topologies:
	//    Sub-topology: 0
	//     Source: readings (topics: [readings])
	//       --> frost
	//     Processor: frost (stores: [])
	//       --> write-frost
	//       <-- readings
	//     Sink: write-frost (topic: totals)
	//       <-- frost
}

// skipErrors goes on without the records that fail, and tells which.
func skipErrors(_ *processor.Context, f *processor.Failure) processor.Action {
	fmt.Println("skipped:", f.Err)
	return processor.Skip
}

func ExampleStream_TryFilter() {
	b := dsl.NewBuilder()
	b.Stream(orders).
		TryFilter(func(_ *processor.Context, r processor.Record[string, Order]) (bool, error) {
			if r.Value.Cents < 0 {
				return false, errors.New("negative price")
			}
			return r.Value.Cents >= 1000, nil
		}).
		ForEach(func(id string, _ Order) { fmt.Println(id) })

	d := drive(b, testdriver.OnFailure(skipErrors))
	d.Input(orders).Send("o1", Order{Cents: 1999})
	d.Input(orders).Send("o2", Order{Cents: -5})
	d.Input(orders).Send("o3", Order{Cents: 5})
	// Output:
	// o1
	// skipped: negative price
}

func ExampleStream_TryMapValues() {
	b := dsl.NewBuilder()
	b.Stream(lines).
		TryMapValues(func(_ *processor.Context, r processor.Record[string, string]) (int64, error) {
			return strconv.ParseInt(r.Value, 10, 64)
		}).
		ForEach(func(_ string, n int64) { fmt.Println(n) })

	d := drive(b, testdriver.OnFailure(skipErrors))
	d.Input(lines).Send("", "12")
	d.Input(lines).Send("", "dozen")
	// Output:
	// 12
	// skipped: strconv.ParseInt: parsing "dozen": invalid syntax
}

func ExampleStream_TryPeek() {
	b := dsl.NewBuilder()
	b.Stream(lines).
		TryPeek(func(c *processor.Context, r processor.Record[string, string]) error {
			if r.Value == "" {
				return fmt.Errorf("nothing at offset %d", c.Offset())
			}
			return nil
		}).
		TryForEach(show)

	d := drive(b, testdriver.OnFailure(skipErrors))
	d.Input(lines).Send("k", "")
	d.Input(lines).Send("k", "fog")
	// Output:
	// skipped: nothing at offset 0
	// k fog
}

func ExampleStream_TryMap() {
	b := dsl.NewBuilder()
	b.Stream(lines).
		TryMap(func(_ *processor.Context, r processor.Record[string, string]) (string, int64, error) {
			airport, degrees, found := strings.Cut(r.Value, " ")
			if !found {
				return "", 0, fmt.Errorf("no temperature in %q", r.Value)
			}
			n, err := strconv.ParseInt(degrees, 10, 64)
			return airport, n, err
		}).
		ForEach(func(airport string, degrees int64) { fmt.Println(airport, degrees) })

	d := drive(b, testdriver.OnFailure(skipErrors))
	d.Input(lines).Send("", "JFK 4")
	d.Input(lines).Send("", "JFK")
	// Output:
	// JFK 4
	// skipped: no temperature in "JFK"
}

func ExampleStream_TryFlatMap() {
	b := dsl.NewBuilder()
	b.Stream(lines).
		TryFlatMap(func(_ *processor.Context, r processor.Record[string, string]) (iter.Seq2[string, int64], error) {
			if r.Value == "" {
				return nil, errors.New("empty line")
			}
			return func(yield func(string, int64) bool) {
				for word := range strings.FieldsSeq(r.Value) {
					if !yield(word, r.Timestamp) {
						return
					}
				}
			}, nil
		}).
		ForEach(func(word string, ms int64) { fmt.Println(word, ms) })

	d := drive(b, testdriver.OnFailure(skipErrors))
	d.Input(lines).SendAt(at(1), "", "fog at")
	d.Input(lines).SendAt(at(2), "", "")
	// Output:
	// fog 1000
	// at 1000
	// skipped: empty line
}

func ExampleStream_TryFlatMapValues() {
	b := dsl.NewBuilder()
	b.Stream(lines).
		TryFlatMapValues(func(_ *processor.Context, r processor.Record[string, string]) (iter.Seq[string], error) {
			if !strings.Contains(r.Value, ";") {
				return nil, fmt.Errorf("%q is no list", r.Value)
			}
			return strings.SplitSeq(r.Value, ";"), nil
		}).
		ForEach(func(_, part string) { fmt.Println(part) })

	d := drive(b, testdriver.OnFailure(skipErrors))
	d.Input(lines).Send("", "a;b")
	d.Input(lines).Send("", "c")
	// Output:
	// a
	// b
	// skipped: "c" is no list
}

// Eight calls wait for the service at a time; results keep the order.
func ExampleStream_TryMapValuesAsync() {
	price := func(_ context.Context, item string) (string, error) { // as a client of a service would
		return map[string]string{"lamp": "$19.99", "sofa": "$799.00"}[item], nil
	}
	b := dsl.NewBuilder()
	b.Stream(orders).
		TryMapValuesAsync(8, func(ctx context.Context, r processor.Record[string, Order]) (string, error) {
			return price(ctx, r.Value.Item)
		}).
		TryForEach(show)

	d := drive(b)
	d.Input(orders).Send("o1", Order{Item: "sofa"})
	d.Input(orders).Send("o2", Order{Item: "lamp"})
	// Output:
	// o1 $799.00
	// o2 $19.99
}

// The Try forms see the whole record: timestamp, headers, nulls.
func ExampleStream_TryForEach() {
	b := dsl.NewBuilder()
	b.Stream(lines).
		TryForEach(func(c *processor.Context, r processor.Record[string, string]) error {
			by, _ := r.Headers.Get("by")
			fmt.Println(c.Topic(), r.Timestamp, string(by), r.Value, r.NullValue)
			return nil
		})

	d := drive(b)
	d.Input(lines).SendRecord(processor.Record[string, string]{
		Value: "fog", Timestamp: 7, Headers: processor.Headers{{Key: "by", Value: []byte("ann")}},
	})
	d.Input(lines).SendRecord(processor.Record[string, string]{Timestamp: 8, NullValue: true})
	// Output:
	// lines 7 ann fog false
	// lines 8   true
}
