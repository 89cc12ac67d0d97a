package dsl_test

import (
	"errors"
	"fmt"
	"time"

	"github.com/thalweg/thalweg/dsl"
	"github.com/thalweg/thalweg/processor"
	"github.com/thalweg/thalweg/serde"
	"github.com/thalweg/thalweg/state"
	"github.com/thalweg/thalweg/testdriver"
	"github.com/thalweg/thalweg/topology"
)

// seenOrders holds when each order was seen first.
var seenOrders = state.KeyValue("seen-orders", serde.String, serde.Int64)

// dedupe drops an order that came in the hour before.
type dedupe struct{ seen *state.KV[string, int64] }

func newDedupe() *dedupe { return new(dedupe) }

func (d *dedupe) Init(c *processor.Context, _ *processor.Out[string, Order]) error {
	d.seen = seenOrders.In(c)
	c.Schedule(time.Minute, processor.StreamTime, d.expire)
	return nil
}

func (d *dedupe) Process(_ *processor.Context, r processor.Record[string, Order], out *processor.Out[string, Order]) error {
	_, had, err := d.seen.PutIfAbsent(r.Key, r.Timestamp)
	if had || err != nil {
		return err
	}
	return out.Forward(r)
}

func (d *dedupe) expire(now int64) error {
	for e, err := range d.seen.All() {
		if err != nil {
			return err
		}
		if e.Value <= now-time.Hour.Milliseconds() {
			if err := d.seen.Delete(e.Key); err != nil {
				return err
			}
		}
	}
	return nil
}

// A processor with a store and a schedule of its own:
//
//	type dedupe struct{ seen *state.KV[string, int64] }
//
//	func (d *dedupe) Init(c *processor.Context, _ *processor.Out[string, Order]) error {
//		d.seen = seenOrders.In(c)
//		c.Schedule(time.Minute, processor.StreamTime, d.expire)
//		return nil
//	}
//
//	func (d *dedupe) Process(_ *processor.Context, r processor.Record[string, Order], out *processor.Out[string, Order]) error {
//		_, had, err := d.seen.PutIfAbsent(r.Key, r.Timestamp)
//		if had || err != nil {
//			return err
//		}
//		return out.Forward(r)
//	}
func ExampleStream_Process() {
	b := dsl.NewBuilder()
	b.Stream(orders).
		Process("dedupe", newDedupe, seenOrders).
		ForEach(func(id string, o Order) { fmt.Println(id, o.Item) })

	d := drive(b)
	d.Input(orders).SendAt(at(0), "o1", Order{Item: "lamp"})
	d.Input(orders).SendAt(at(60), "o1", Order{Item: "lamp"})
	d.Input(orders).SendAt(at(3600), "o2", Order{Item: "sofa"}) // an hour on: o1 is forgotten
	d.Input(orders).SendAt(at(3660), "o1", Order{Item: "lamp"})
	// Output:
	// o1 lamp
	// o2 sofa
	// o1 lamp
}

func ExampleStream_ProcessFunc() {
	b := dsl.NewBuilder()
	b.Stream(orders).
		ProcessFunc("by-customer", func(_ *processor.Context, r processor.Record[string, Order], out *processor.Out[string, int64]) error {
			return out.Forward(processor.Record[string, int64]{
				Key:       r.Value.Customer,
				Value:     r.Value.Cents,
				Timestamp: r.Timestamp,
				Headers:   r.Headers.With("order", []byte(r.Key)),
			})
		}).
		TryForEach(func(_ *processor.Context, r processor.Record[string, int64]) error {
			order, _ := r.Headers.Get("order")
			fmt.Println(r.Key, r.Value, string(order))
			return nil
		})

	d := drive(b)
	d.Input(orders).Send("o1", Order{Customer: "ann", Cents: 100})
	// Output: ann 100 o1
}

// previous holds the last temperature of each airport.
var previous = state.KeyValue("previous", serde.String, serde.Int64)

// change tells by how much a temperature has changed.
type change struct{ last *state.KV[string, int64] }

func newChange() *change { return new(change) }

func (p *change) Init(c *processor.Context) error {
	p.last = previous.In(c)
	return nil
}

func (p *change) Process(_ *processor.Context, r processor.Record[string, int64], out *processor.ValueOut[int64]) error {
	before, had, err := p.last.Get(r.Key)
	if err != nil {
		return err
	}
	if err := p.last.Put(r.Key, r.Value); err != nil || !had {
		return err
	}
	return out.Forward(r.Value - before)
}

// The key cannot change, so a group below needs no repartition topic.
func ExampleStream_ProcessValues() {
	b := dsl.NewBuilder()
	b.Stream(readings).
		ProcessValues("change", newChange, previous).
		ForEach(func(airport string, degrees int64) { fmt.Println(airport, degrees) })

	d := drive(b)
	for _, degrees := range []int64{4, 9, 7} {
		d.Input(readings).Send("JFK", degrees)
	}
	// Output:
	// JFK 5
	// JFK -2
}

func ExampleStream_ProcessValuesFunc() {
	b := dsl.NewBuilder()
	b.Stream(readings).
		ProcessValuesFunc("where", func(c *processor.Context, r processor.Record[string, int64], out *processor.ValueOut[string]) error {
			return out.Forward(fmt.Sprint(r.Value, " from ", c.Topic(), " at ", c.Offset()))
		}).
		ForEach(func(airport, text string) { fmt.Println(airport, text) })

	d := drive(b)
	d.Input(readings).Send("JFK", 4)
	d.Input(readings).Send("JFK", 5)
	// Output:
	// JFK 4 from readings at 0
	// JFK 5 from readings at 1
}

// A store may be shared: one processor writes what another reads.
func ExampleBuilder_Store() {
	b := dsl.NewBuilder()
	b.Store(previous)
	b.Stream(readings).Process("write", func() processor.Func[string, int64, string, int64] {
		return func(c *processor.Context, r processor.Record[string, int64], _ *processor.Out[string, int64]) error {
			return previous.In(c).Put(r.Key, r.Value)
		}
	}, previous)
	b.Stream(lines).
		ProcessValuesFunc("read", func(c *processor.Context, r processor.Record[string, string], out *processor.ValueOut[string]) error {
			degrees, _, err := previous.In(c).Get(r.Key)
			if err != nil {
				return err
			}
			return out.Forward(fmt.Sprint(r.Value, " at ", degrees, " degrees"))
		}, previous).
		ForEach(func(_, text string) { fmt.Println(text) })

	d := drive(b)
	d.Input(readings).Send("JFK", 4)
	d.Input(lines).Send("JFK", "fog")
	// Output: fog at 4 degrees
}

// shortNames holds the first word of each customer's name.
var shortNames = state.KeyValue("short-names", serde.String, serde.String, state.Unlogged())

type shortener struct{}

func (shortener) Process(c *processor.Context, r processor.Record[string, string], _ *processor.Out[string, string]) error {
	if r.NullValue {
		return shortNames.In(c).Delete(r.Key)
	}
	var first string
	if _, err := fmt.Sscan(r.Value, &first); err != nil {
		return err
	}
	return shortNames.In(c).Put(r.Key, first)
}

// A global store is filled by a processor of one's own and read everywhere.
func ExampleBuilder_GlobalStore() {
	b := dsl.NewBuilder()
	b.GlobalStore(shortNames, "shorten", customers, func() shortener { return shortener{} })
	b.Stream(orders).
		ProcessValuesFunc("greet", func(c *processor.Context, r processor.Record[string, Order], out *processor.ValueOut[string]) error {
			name, _, err := shortNames.In(c).Get(r.Value.Customer)
			if err != nil {
				return err
			}
			return out.Forward("Hello " + name)
		}).
		ForEach(func(_, text string) { fmt.Println(text) })

	d := drive(b)
	d.Input(customers).Send("c7", "Ann Miller")
	d.Input(orders).Send("o1", Order{Customer: "c7"})
	// Output: Hello Ann
}

// The topic is the store's changelog: it is restored from it, and has no other.
func ExampleBuilder_ReadOnlyStore() {
	names := state.KeyValue("names", serde.String, serde.String)
	b := dsl.NewBuilder()
	b.ReadOnlyStore(names, "keep-names", customers, func() processor.Func[string, string, string, string] {
		return func(c *processor.Context, r processor.Record[string, string], _ *processor.Out[string, string]) error {
			return names.In(c).Put(r.Key, r.Value)
		}
	})
	b.Stream(orders).
		ProcessValuesFunc("greet", func(c *processor.Context, r processor.Record[string, Order], out *processor.ValueOut[string]) error {
			if err := names.In(c).Delete(r.Key); errors.Is(err, state.ErrReadOnly) {
				fmt.Println("cannot be deleted here")
			}
			name, _, err := names.In(c).Get(r.Key)
			if err != nil {
				return err
			}
			return out.Forward("Hello " + name)
		}, names).
		ForEach(func(_, text string) { fmt.Println(text) })

	d := drive(b)
	d.Input(customers).Send("c7", "Ann")
	d.Input(orders).Send("c7", Order{})
	// Output:
	// cannot be deleted here
	// Hello Ann
}

func ExampleBuilder_GlobalTable() {
	b := dsl.NewBuilder()
	names := b.GlobalTable(customers, "customers")
	b.Stream(orders).
		JoinGlobal(names, customerOf, func(o Order, name string) string { return o.Item + " for " + name }).
		TryForEach(show)

	d := drive(b, testdriver.Partitions(3)) // each task has the whole table
	d.Input(customers).Send("c7", "Ann")
	d.Input(customers).Send("c8", "Bob")
	d.Input(orders).Send("o1", Order{Customer: "c7", Item: "lamp"})
	d.Input(orders).Send("o2", Order{Customer: "c8", Item: "sofa"})
	// Output:
	// o1 lamp for Ann
	// o2 sofa for Bob
}

// Every processor of the program is called through an interceptor of its own in
// each task.
func ExampleBuilder_Wrap() {
	b := dsl.NewBuilder()
	b.Wrap(func(node string) topology.Wrapper {
		return topology.Wrapper{New: func() processor.Interceptor {
			return func(c *processor.Context, call processor.Call, next func() error) error {
				err := next()
				fmt.Println(call.Node, call.Kind, call.Key, c.Topic(), err)
				return err
			}
		}}
	})
	b.Stream(lines).
		ProcessFunc("check", func(c *processor.Context, r processor.Record[string, string], out *processor.Out[string, string]) error {
			return out.Forward(r)
		})

	d := drive(b)
	d.Input(lines).Send("k", "v")
	// Output:
	// check init <nil>  <nil>
	// check process k lines <nil>
}
