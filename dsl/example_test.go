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
)

// An Order is what the examples about a shop read, under its number.
type Order struct {
	Customer string
	Item     string
	Cents    int64
}

var (
	orders    = topology.NewTopic("orders", serde.String, serde.JSON[Order]())
	customers = topology.NewTopic("customers", serde.String, serde.String) // names, by id
	readings  = topology.NewTopic("readings", serde.String, serde.Int64)   // degrees, by airport
	airports  = topology.NewTopic("airports", serde.String, serde.String)  // names, by code
	lines     = topology.NewTopic("lines", serde.String, serde.String)
	words     = topology.NewTopic("words", serde.String, serde.String)
	totals    = topology.NewTopic("totals", serde.String, serde.Int64)
)

// A bench is a testdriver.TB for examples.
type bench struct{}

func (bench) Helper()                      {}
func (bench) Errorf(f string, args ...any) { fmt.Printf(f+"\n", args...) }
func (bench) Fatalf(f string, args ...any) { panic(fmt.Sprintf(f, args...)) }
func (bench) Cleanup(func())               {}

// drive builds a program and runs it in memory.
func drive(b *dsl.Builder, opts ...testdriver.Option) *testdriver.Driver {
	t, err := b.Build()
	if err != nil {
		panic(err)
	}
	return testdriver.New(bench{}, t, opts...)
}

// at is a time in seconds since 1970.
func at(second int) time.Time { return time.Unix(int64(second), 0) }

// show prints a record: s.TryForEach(show).
func show[K, V any](_ *processor.Context, r processor.Record[K, V]) error {
	if r.NullValue {
		fmt.Println(r.Key, "deleted")
	} else {
		fmt.Println(r.Key, r.Value)
	}
	return nil
}

func Example() {
	b := dsl.NewBuilder()
	b.Stream(lines).
		MapValues(strings.ToLower).
		FlatMapValues(strings.FieldsSeq).
		GroupBy(dsl.Value).
		Count("counts").
		ToStream().
		To(totals)

	d := drive(b)
	d.Input(lines).Send("", "To be or not to be")
	counts := testdriver.ReadMap(d.Output(totals))
	fmt.Println(counts["to"], counts["be"], counts["or"])
	// Output: 2 2 1
}
