package dsl_test

import (
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

// Sessions that close together come by end, then by key, wherever they are kept.
func TestSessionsCloseByKey(t *testing.T) {
	for name, opts := range map[string][]dsl.StoreOption{"memory": {dsl.InMemory()}, "persistent": nil} {
		t.Run(name, func(t *testing.T) {
			b := dsl.NewBuilder()
			in := topology.NewTopic("in", serde.String, serde.String)
			out := topology.NewTopic("out", windowing.SessionKey(serde.String), serde.Int64)
			b.Stream(in).GroupByKey().SessionBy(windowing.Sessions(25*time.Millisecond)).EmitOnClose().Count("c", opts...).ToStream().To(out)
			d := testdriver.New(t, build(t, b))
			for _, r := range []struct {
				key string
				at  int64
			}{{"a", 136}, {"b", 144}, {"a", 144}, {"0", 140}, {"c", 200}} {
				d.Input(in).SendAt(time.UnixMilli(r.at), r.key, "v")
			}
			var keys []string
			for _, r := range d.Output(out).All() {
				keys = append(keys, r.Key.Key)
			}
			require.Equal(t, []string{"0", "a", "b"}, keys)
		})
	}
}

// The flush of a cache forwards a session with the headers of its record, but
// not with LogTombstoneHeaders: the stores of Kafka Streams that it stands for
// give none.
func TestHeadersOfFlushedSessions(t *testing.T) {
	for name, c := range map[string]struct {
		opts []dsl.StoreOption
		want int
	}{
		"plain":                      {nil, 1},
		"tombstone headers":          {[]dsl.StoreOption{dsl.LogTombstoneHeaders()}, 0},
		"tombstone headers, memory":  {[]dsl.StoreOption{dsl.LogTombstoneHeaders(), dsl.InMemory()}, 1},
		"tombstone headers, at once": {[]dsl.StoreOption{dsl.LogTombstoneHeaders(), dsl.Uncached()}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			b := dsl.NewBuilder()
			in := topology.NewTopic("in", serde.String, serde.String)
			out := topology.NewTopic("out", windowing.SessionKey(serde.String), serde.Int64)
			b.Stream(in).GroupByKey().SessionBy(windowing.Sessions(time.Second)).Count("c", c.opts...).ToStream().To(out)
			d := testdriver.New(t, build(t, b))
			d.Input(in).SendRecord(processor.Record[string, string]{Key: "k", Value: "v", Headers: processor.Headers{{Key: "h", Value: []byte("x")}}})
			require.Len(t, d.Output(out).Read().Headers, c.want)
		})
	}
}

// A stream merged with itself gives each record once.
func TestMergeWithItself(t *testing.T) {
	b := dsl.NewBuilder()
	in := topology.NewTopic("in", serde.String, serde.String)
	out := topology.NewTopic("out", serde.String, serde.String)
	s := b.Stream(in)
	s.Merge(s).To(out)
	d := testdriver.New(t, build(t, b))
	d.Input(in).Send("k", "v")
	require.Len(t, d.Output(out).All(), 1)
}

// A stream whose two sides come through topics of their own is joined with itself
// from both: each of them is read.
func TestSelfJoinThroughTopics(t *testing.T) {
	for name, opt := range map[string]dsl.Optimisation{"shared": dsl.OptimiseAll, "not shared": dsl.SingleStoreSelfJoin} {
		t.Run(name, func(t *testing.T) {
			b := dsl.NewBuilder().Optimise(opt)
			in := topology.NewTopic("in", serde.String, serde.String)
			out := topology.NewTopic("out", serde.String, serde.String)
			s := b.Stream(in).SelectKey(func(k, _ string) string { return k + "!" })
			s.Join("self", s, windowing.Within(time.Second), func(a, b string) string { return a + b }).To(out)
			topo := build(t, b)
			d := testdriver.New(t, topo)
			d.Input(in).Send("k", "v")
			require.Len(t, d.Output(out).All(), 1)
			for _, n := range topo.Nodes {
				if n.Kind == topology.SourceNode {
					require.NotEmpty(t, n.Children, "nobody reads %v", n.Topics)
				}
			}
		})
	}
}
