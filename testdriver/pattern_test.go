package testdriver_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thalweg/thalweg/dsl"
	"github.com/thalweg/thalweg/processor"
	"github.com/thalweg/thalweg/serde"
	"github.com/thalweg/thalweg/testdriver"
	"github.com/thalweg/thalweg/topology"
)

// perRegion counts the records of all topics of a pattern, by topic.
func perRegion(t *testing.T) (*topology.Topology, topology.Pattern[string, string], topology.Topic[string, int64]) {
	t.Helper()
	orders := topology.NewPattern("orders-.*", serde.String, serde.String)
	counts := topology.NewTopic("counts", serde.String, serde.Int64)
	b := dsl.NewBuilder()
	b.StreamMatching(orders).
		ProcessFunc("by-topic", func(c *processor.Context, r processor.Record[string, string], out *processor.Out[string, string]) error {
			r.Key = c.Topic()
			return out.Forward(r)
		}).
		GroupByKey(dsl.RepartitionAs("by-topic")).
		Count("counts").
		ToStream().
		To(counts)
	topo, err := b.Use(serde.String).Build()
	require.NoError(t, err)
	return topo, orders, counts
}

func TestPatterns(t *testing.T) {
	for name, opts := range map[string][]testdriver.Option{
		"one task":   nil,
		"partitions": {testdriver.Partitions(3)},
		"crashes":    {testdriver.WithCrashes(7)},
		"both":       {testdriver.Partitions(3), testdriver.WithCrashes(8)},
		"by hand":    {testdriver.ManualCommit()},
	} {
		t.Run(name, func(t *testing.T) {
			topo, orders, counts := perRegion(t)
			d := testdriver.New(t, topo, opts...)
			for range 3 {
				for _, k := range []string{"a", "b", "c", "d"} {
					d.Input(orders.Topic("orders-eu")).Send(k, "x")
					d.Input(orders.Topic("orders-us")).Send(k, "x")
				}
			}
			d.Input(orders.Topic("orders-asia")).Send("a", "x")
			d.Commit()
			require.Equal(t, map[string]int64{"orders-eu": 12, "orders-us": 12, "orders-asia": 1}, testdriver.ReadMap(d.Output(counts)))
		})
	}
}

// What the application writes may match its own pattern.
func TestPatternsMatchOutputs(t *testing.T) {
	orders := topology.NewPattern("orders-.*", serde.String, serde.String)
	b := dsl.NewBuilder()
	var seen []string
	b.StreamMatching(orders).
		ProcessFunc("see", func(c *processor.Context, r processor.Record[string, string], out *processor.Out[string, string]) error {
			seen = append(seen, c.Topic()+" "+r.Value)
			if c.Topic() == "orders-late" {
				return nil
			}
			return out.Forward(r)
		}).
		To(orders.Topic("orders-late"))
	topo, err := b.Build()
	require.NoError(t, err)
	d := testdriver.New(t, topo)
	d.Input(orders.Topic("orders-eu")).Send("k", "v")
	require.Equal(t, []string{"orders-eu v", "orders-late v"}, seen)
}

func TestPatternsMatchNoOtherTopic(t *testing.T) {
	topo, orders, _ := perRegion(t)
	var h host
	require.Contains(t, h.try(func() { testdriver.New(&h, topo).Input(orders.Topic("old-orders-eu")) }),
		`topic "old-orders-eu" is not a source of the topology`)
}
