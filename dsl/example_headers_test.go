package dsl_test

import (
	"fmt"

	"github.com/thalweg/thalweg/dsl"
	"github.com/thalweg/thalweg/processor"
	"github.com/thalweg/thalweg/serde"
	"github.com/thalweg/thalweg/state"
)

// signed is a record with the name of who wrote it in a header.
func signed(key, value, by string) processor.Record[string, string] {
	return processor.Record[string, string]{
		Key: key, Value: value, Timestamp: 1000, Headers: processor.Headers{{Key: "by", Value: []byte(by)}},
	}
}

// A table whose rows know who wrote them.
func ExampleKeepHeaders() {
	b := dsl.NewBuilder()
	names := dsl.KeepHeaders(b.Stream(airports)).ToTable("names")
	b.Stream(readings).
		JoinTable(names, func(degrees int64, name state.WithHeaders[string]) string {
			by, _ := name.Headers.Get("by")
			return fmt.Sprintf("%d in %s, as %s calls it", degrees, name.Value, by)
		}).
		TryForEach(show)

	d := drive(b)
	d.Input(airports).SendRecord(signed("JFK", "Idlewild", "ann"))
	d.Input(readings).Send("JFK", 4)
	d.Commit()
	for _, r := range d.Records() {
		by, _ := r.Headers.Get("by")
		fmt.Printf("changelog: %s %q by %q\n", r.Key, r.Value, by)
	}
	// Output:
	// JFK 4 in Idlewild, as ann calls it
	// changelog: JFK "Idlewild" by "ann"
}

// The greatest word of each key goes on with the headers it came with.
func ExampleUseHeaders() {
	b := dsl.NewBuilder()
	greatest := dsl.KeepHeaders(b.Stream(words)).GroupByKey().
		Reduce("greatest", func(a, v state.WithHeaders[string]) state.WithHeaders[string] {
			if v.Value > a.Value {
				return v
			}
			return a
		})
	dsl.UseHeaders(greatest.ToStream()).
		TryForEach(func(c *processor.Context, r processor.Record[string, string]) error {
			by, _ := c.Headers().Get("by")
			fmt.Printf("%s, from %s\n", r.Value, by)
			return nil
		})

	d := drive(b)
	d.Input(words).SendRecord(signed("k", "pear", "ann"))
	d.Input(words).SendRecord(signed("k", "apple", "bob"))
	// Output:
	// pear, from ann
	// pear, from ann
}

// seen remembers the last record of each key with its headers.
type seen struct {
	h  state.TimestampedHandle[string, state.WithHeaders[string]]
	st *state.TimestampedKV[string, state.WithHeaders[string]]
}

func (s *seen) Init(c *processor.Context, _ *processor.Out[string, string]) error {
	s.st = s.h.In(c)
	return nil
}

func (s *seen) Process(_ *processor.Context, r processor.Record[string, string], _ *processor.Out[string, string]) error {
	return s.st.Put(r.Key, state.WithHeaders[string]{Value: r.Value, Headers: r.Headers}, r.Timestamp)
}

// A processor's store with headers, read by the test.
func Example_storeWithHeaders() {
	last := state.Timestamped("last", serde.String, state.HeadersSerde(serde.String))
	b := dsl.NewBuilder()
	b.Stream(words).Process("remember", func() *seen { return &seen{h: last} }, last)

	d := drive(b)
	d.Input(words).SendRecord(signed("k", "pear", "ann"))
	v, ts, _, _ := d.Store(last).Get("k")
	by, _ := v.Headers.Get("by")
	fmt.Printf("%s at %d by %s\n", v.Value, ts, by)
	// Output: pear at 1000 by ann
}
