package topology_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thalweg/thalweg/serde"
	"github.com/thalweg/thalweg/state"
	"github.com/thalweg/thalweg/topology"
)

func pattern(expr string) topology.Pattern[string, string] {
	return topology.NewPattern(expr, serde.String, serde.String)
}

func TestPatterns(t *testing.T) {
	b := topology.NewBuilder()
	in := b.AddPatternSource("IN", pattern("orders-.*"))
	tab := b.AddSource("TAB", text("customers"))
	b.AddProcessor("P", forward, in, tab)
	b.Connect("P", state.KeyValue("seen", serde.String, serde.Int64))
	b.Copartition(in.Node(), tab.Node())
	topo, err := b.Build()
	require.NoError(t, err)
	require.True(t, topo.Patterned())
	require.Contains(t, topo.Describe(), "Source: IN (topics: orders-.*)\n")
	require.Contains(t, topo.Mermaid(), `[("/orders-.*/")]`)
	require.Equal(t, []string{"/orders-.*/", "customers"}, topo.Shape().Stores[0].Sources)

	// All of a name has to match, and what is internal does not.
	over, err := topo.Over("orders-app", []string{"orders-us", "orders-eu", "my-orders-x", "customers", "orders-app-seen-changelog"})
	require.NoError(t, err)
	sub := over.SubTopologies()[0]
	require.Equal(t, []string{"orders-eu", "orders-us", "customers"}, sub.SourceTopics)
	require.Equal(t, [][]string{{"customers", "orders-eu", "orders-us"}}, sub.CopartitionGroups)
	require.Equal(t, topo.Fingerprint(), over.Fingerprint(), "which topics match changes no state")
	require.Empty(t, topo.Nodes[in.Node()].Topics, "the topology itself does not change")

	counts := map[string]int32{"customers": 2, "orders-us": 2, "orders-eu": 3}
	_, err = over.RepartitionTopics("app", func(topic string) (int32, error) { return counts[topic], nil })
	require.ErrorContains(t, err, `topics "customers" and "orders-eu" are joined but have 2 and 3 partitions`)
}

// An internal topic below a pattern has no number of partitions while nothing
// matches.
func TestPatternsWithoutTopics(t *testing.T) {
	b := topology.NewBuilder()
	b.AddInternalSink("SHUFFLE", text("x-repartition"), b.AddPatternSource("IN", pattern("a.*")))
	b.AddInternalSink("AGAIN", text("y-repartition"), b.AddInternalSource("X", text("x-repartition"), 0))
	b.AddInternalSource("Y", text("y-repartition"), 0)
	topo, err := b.Build()
	require.NoError(t, err)
	count := func(n int32) func(string) (int32, error) {
		return func(string) (int32, error) { return n, nil }
	}
	got, err := topo.RepartitionTopics("app", count(0))
	require.NoError(t, err)
	require.Empty(t, got)
	got, err = topo.RepartitionTopics("app", count(4))
	require.NoError(t, err)
	require.Equal(t, map[string]int32{"app-x-repartition": 4, "app-y-repartition": 4}, got)
}

func TestOverlappingSources(t *testing.T) {
	for name, c := range map[string]struct {
		make func(b *topology.Builder)
		want string
	}{
		"pattern and topic": {
			func(b *topology.Builder) {
				b.AddSource("A", text("orders-eu"))
				b.AddPatternSource("B", pattern("orders-.*"))
			},
			`pattern "orders-.*" of source "B" matches topic "orders-eu", which source "A" reads`,
		},
		"pattern and global topic": {
			func(b *topology.Builder) {
				b.AddPatternSource("B", pattern("orders-.*"))
				b.AddGlobalStore(seen, "G", topology.NewTopic("orders-all", serde.String, serde.String), forward)
			},
			`matches topic "orders-all", which source "G-source" reads`,
		},
		"one pattern twice": {
			func(b *topology.Builder) {
				b.AddPatternSource("A", pattern("x.*"))
				b.AddPatternSource("B", pattern("x.*"))
			},
			`pattern "x.*" is read by two sources, "A" and "B"`,
		},
		"one topic twice in a source": {
			func(b *topology.Builder) { b.AddSource("A", text("x"), text("x")) },
			`topic "x" is read by two sources, "A" and "A"`,
		},
		"no expression": {
			func(b *topology.Builder) { b.AddPatternSource("A", pattern("")) },
			`node "A": a pattern is empty`,
		},
		"no regular expression": {
			func(b *topology.Builder) { b.AddPatternSource("A", pattern("a)(")) },
			`node "A": pattern: error parsing regexp`,
		},
		"no serde": {
			func(b *topology.Builder) {
				b.AddPatternSource("A", topology.NewPattern[string, string]("a.*", serde.String, nil))
			},
			`topic "/a.*/" has no value serde`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := topology.NewBuilder()
			c.make(b)
			_, err := b.Build()
			require.ErrorContains(t, err, c.want)
		})
	}

	// Whether two patterns overlap shows when a topic is there.
	b := topology.NewBuilder()
	b.AddPatternSource("A", pattern("x.*"))
	b.AddPatternSource("B", pattern(".*y"))
	topo, err := b.Build()
	require.NoError(t, err)
	_, err = topo.Over("app", []string{"x1", "1y"})
	require.NoError(t, err)
	_, err = topo.Over("app", []string{"xy"})
	require.ErrorContains(t, err, `topic "xy" matches pattern "x.*" of source "A" and pattern ".*y" of source "B"`)
}

func TestStoresWithOneWriter(t *testing.T) {
	for name, c := range map[string]struct {
		make func(b *topology.Builder)
		want string
	}{
		"declared before": {
			func(b *topology.Builder) {
				b.AddStore(seen)
				b.AddReadOnlyStore(seen, "W", text("x"), forward)
			},
			`store "seen" is declared already: "W" cannot be its only writer`,
		},
		"two writers": {
			func(b *topology.Builder) {
				b.AddReadOnlyStore(seen, "W", text("x"), forward)
				b.AddGlobalStore(seen, "V", text("y"), forward)
			},
			`store "seen" is declared already: "V" cannot be its only writer`,
		},
		"topic read twice": {
			func(b *topology.Builder) {
				b.AddReadOnlyStore(seen, "W", text("x"), forward)
				b.AddSource("X", text("x"))
			},
			`topic "x" is read by two sources, "W-source" and "X"`,
		},
		"not from the beginning": {
			func(b *topology.Builder) {
				b.AddReadOnlyStore(seen, "W", text("x").WithReset(topology.Reset{Policy: topology.ResetLatest}), forward)
			},
			`its topic "x" is its changelog, which is read from the beginning`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := topology.NewBuilder()
			c.make(b)
			_, err := b.Build()
			require.ErrorContains(t, err, c.want)
		})
	}
}
