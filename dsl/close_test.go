package dsl_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thalweg/thalweg/dsl"
	"github.com/thalweg/thalweg/serde"
	"github.com/thalweg/thalweg/testdriver"
	"github.com/thalweg/thalweg/topology"
	"github.com/thalweg/thalweg/windowing"
)

// A window that a much later record closes is emitted with it, though its store keeps windows no longer than that.
func TestClosedBySparseRecords(t *testing.T) {
	in := topology.NewTopic("in", serde.String, serde.String)
	out := topology.NewTopic("out", serde.String, serde.Int64)
	const size, grace = 10 * time.Second, 5 * time.Minute
	operators := map[string]func(dsl.Grouped[string, string], ...dsl.StoreOption) dsl.Table[windowing.Windowed[string], int64]{
		"tumbling": func(g dsl.Grouped[string, string], o ...dsl.StoreOption) dsl.Table[windowing.Windowed[string], int64] {
			return g.WindowedBy(windowing.Tumbling(size).WithGrace(grace)).EmitOnClose().Count("counts", o...)
		},
		"sliding": func(g dsl.Grouped[string, string], o ...dsl.StoreOption) dsl.Table[windowing.Windowed[string], int64] {
			return g.SlidingBy(windowing.SlidingOf(size).WithGrace(grace)).EmitOnClose().Count("counts", o...)
		},
		"session": func(g dsl.Grouped[string, string], o ...dsl.StoreOption) dsl.Table[windowing.Windowed[string], int64] {
			return g.SessionBy(windowing.Sessions(size).WithGrace(grace)).EmitOnClose().Count("counts", o...)
		},
	}
	stores := map[string][]dsl.StoreOption{"cached": nil, "uncached": {dsl.Uncached()}, "in memory": {dsl.InMemory()}}
	for operator, count := range operators {
		for store, options := range stores {
			for _, step := range []time.Duration{time.Minute, 6 * time.Minute, 20 * time.Minute, 72 * time.Hour} {
				t.Run(operator+", "+store+", every "+step.String(), func(t *testing.T) {
					b := dsl.NewBuilder()
					count(b.Stream(in).GroupByKey(), options...).ToStream().SelectKey(windowing.Key).To(out)
					topo, err := b.Build()
					require.NoError(t, err)
					d := testdriver.New(t, topo)
					at := time.Date(2013, 1, 1, 0, 0, 0, 0, time.UTC)
					const records = 30
					for range records {
						d.Input(in).SendAt(at, "k", "v")
						at = at.Add(step)
					}
					d.Input(in).SendAt(at.Add(time.Hour), "end", "")
					got := d.Output(out).All()
					require.Len(t, got, records)
					for _, r := range got {
						require.Equal(t, "k", r.Key)
						require.Equal(t, int64(1), r.Value)
					}
				})
			}
		}
	}
}
