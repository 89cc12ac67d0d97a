package dsl_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thalweg/thalweg/dsl"
	"github.com/thalweg/thalweg/processor"
	"github.com/thalweg/thalweg/serde"
	"github.com/thalweg/thalweg/testdriver"
	"github.com/thalweg/thalweg/topology"
	"github.com/thalweg/thalweg/windowing"
)

var (
	amounts = topology.NewTopic("amounts", serde.String, serde.Int64)
	names   = topology.NewTopic("names", serde.String, serde.String)
	sights  = topology.NewTopic("joined", serde.String, serde.String)
)

// seenBy writes what a joiner sees, without asking whether it is there.
func seenBy(v string, n dsl.Maybe[int64]) string { return fmt.Sprint(v, " ", n.Value, " ", n.OK) }

func seenByBoth(v dsl.Maybe[string], n dsl.Maybe[int64]) string { return seenBy(v.Value, n) }

// TestMissingSideIsZero: whatever becomes of a row on its way to a join, a side
// that is missing has no value.
func TestMissingSideIsZero(t *testing.T) {
	few := func(_ string, n int64) bool { return n < 10 }
	many := func(_ string, n int64) bool { return n >= 10 }
	same := func(n int64) int64 { return n }
	type rows = dsl.Table[string, int64]
	gone := map[string]func(rows) rows{
		"Filter":           func(t rows) rows { return t.Filter(many) },
		"FilterNot":        func(t rows) rows { return t.FilterNot(few) },
		"Filter stored":    func(t rows) rows { return t.Filter(many, dsl.Stored("kept")) },
		"Filter MapValues": func(t rows) rows { return t.Filter(many).MapValues(same) },
		"MapValues Filter": func(t rows) rows { return t.MapValues(same).Filter(many) },
		"Filter LeftJoin": func(t rows) rows {
			return t.Filter(many).LeftJoin(t, func(n int64, _ dsl.Maybe[int64]) int64 { return n })
		},
		"LeftJoin Filter": func(t rows) rows {
			return t.LeftJoin(t.Filter(many), func(n int64, o dsl.Maybe[int64]) int64 { return n + o.Value }).Filter(many)
		},
		"Transform stored": func(t rows) rows {
			return t.TransformValues("drop", func() dropAll { return dropAll{} }, dsl.Stored("dropped"))
		},
	}
	joins := map[string]func(b *dsl.Builder, big rows) dsl.Stream[string, string]{
		"LeftJoinTable": func(b *dsl.Builder, big rows) dsl.Stream[string, string] {
			return b.Stream(names).LeftJoinTable(big, seenBy)
		},
		"LeftJoin": func(b *dsl.Builder, big rows) dsl.Stream[string, string] {
			return b.Table(names, "names").LeftJoin(big, seenBy).ToStream()
		},
		"OuterJoin": func(b *dsl.Builder, big rows) dsl.Stream[string, string] {
			return b.Table(names, "names").OuterJoin(big, seenByBoth).ToStream()
		},
		"OuterJoin from the right": func(b *dsl.Builder, big rows) dsl.Stream[string, string] {
			return big.OuterJoin(b.Table(names, "names"), func(n dsl.Maybe[int64], v dsl.Maybe[string]) string { return seenByBoth(v, n) }).ToStream()
		},
		"LeftJoinOn": func(b *dsl.Builder, big rows) dsl.Stream[string, string] {
			return b.Table(names, "names").LeftJoinOn("fk", big, func(k, _ string) (string, bool) { return k, true }, seenBy).ToStream()
		},
	}
	for gone, drop := range gone {
		for join, write := range joins {
			t.Run(gone+"/"+join, func(t *testing.T) {
				b := dsl.NewBuilder().Use(serde.String).Use(serde.Int64)
				write(b, drop(b.Table(amounts, "amounts"))).To(sights)
				d := testdriver.New(t, build(t, b))
				d.Input(amounts).Send("a", 5)
				d.Input(names).Send("a", "x")
				require.Equal(t, "x 0 false", d.Output(sights).Read().Value)
			})
		}
	}
}

// The version that was valid at a record's time can be one that is filtered out.
func TestMissingVersionIsZero(t *testing.T) {
	b := dsl.NewBuilder().Use(serde.String).Use(serde.Int64)
	v := b.Table(amounts, "amounts", dsl.Versioned(time.Hour)).Filter(func(_ string, n int64) bool { return n >= 10 })
	b.Stream(names).LeftJoinTable(v, seenBy, dsl.JoinGrace(time.Second), dsl.Named("join")).To(sights)
	d := testdriver.New(t, build(t, b))
	d.Input(amounts).SendAt(time.UnixMilli(1000), "a", 5)
	d.Input(names).SendAt(time.UnixMilli(1000), "a", "x")
	d.Input(names).SendAt(time.UnixMilli(10_000), "b", "y")
	require.Equal(t, "x 0 false", d.Output(sights).Read().Value)
}

type dropAll struct{}

func (dropAll) Transform(_ *processor.Context, _ string, v dsl.Maybe[int64]) (dsl.Maybe[int64], error) {
	v.OK = false
	return v, nil
}

// What is left in a value that is said to be null is not seen below.
func TestNullValueIsZero(t *testing.T) {
	for name, write := range map[string]func(b *dsl.Builder) dsl.Stream[string, int64]{
		"TransformValues": func(b *dsl.Builder) dsl.Stream[string, int64] {
			return b.Table(amounts, "amounts").TransformValues("drop", func() dropAll { return dropAll{} }).ToStream()
		},
		"Process": func(b *dsl.Builder) dsl.Stream[string, int64] {
			return b.Stream(amounts).ProcessFunc("null", func(_ *processor.Context, r processor.Record[string, int64], out *processor.Out[string, int64]) error {
				r.NullKey, r.NullValue = true, true
				return out.Forward(r)
			})
		},
		"ToStream": func(b *dsl.Builder) dsl.Stream[string, int64] {
			return b.Table(amounts, "amounts").Filter(func(_ string, n int64) bool { return n >= 10 }).ToStream()
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := dsl.NewBuilder().Use(serde.String).Use(serde.Int64)
			var seen []string
			write(b).TryForEach(func(_ *processor.Context, r processor.Record[string, int64]) error {
				seen = append(seen, fmt.Sprint(r.Key != "" && r.NullKey, r.Value, r.NullValue))
				return nil
			})
			d := testdriver.New(t, build(t, b))
			d.Input(amounts).Send("a", 50)
			d.Input(amounts).Send("a", 5)
			require.Equal(t, "false 0 true", seen[len(seen)-1])
		})
	}
}

// A reducer that returns a null while sessions become one begins anew: the next
// session is taken as it is.
func TestSessionReduceNull(t *testing.T) {
	text := serde.Nullable(serde.String)
	in := topology.NewTopic("in", serde.String, text)
	out := topology.NewTopic("out", windowing.SessionKey(serde.String), text)
	b := dsl.NewBuilder().Use(serde.String)
	b.Stream(in).GroupByKey().
		SessionBy(windowing.Sessions(19*time.Millisecond)).
		Reduce("r", func(a, v *string) *string {
			if *v == "v27" {
				return nil
			}
			return new(*a + "+" + *v)
		}).
		ToStream().To(out)
	d := testdriver.New(t, build(t, b))
	d.Input(in).SendAt(time.UnixMilli(310), "c", new("v15"))
	d.Input(in).SendAt(time.UnixMilli(333), "c", new("v27"))
	d.Input(in).SendAt(time.UnixMilli(323), "c", new("v29"))
	all := d.Output(out).All()
	require.Equal(t, "v29", *all[len(all)-1].Value)
}
