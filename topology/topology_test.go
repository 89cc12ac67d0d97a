package topology_test

import (
	"encoding/json/v2"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thalweg/thalweg/processor"
	"github.com/thalweg/thalweg/serde"
	"github.com/thalweg/thalweg/state"
	"github.com/thalweg/thalweg/topology"
)

func text(name string) topology.Topic[string, string] {
	return topology.NewTopic(name, serde.String, serde.String)
}

type pass = processor.Func[string, string, string, string]

func forward() pass {
	return func(_ *processor.Context, r processor.Record[string, string], out *processor.Out[string, string]) error {
		return out.Forward(r)
	}
}

var seen = state.KeyValue("seen", serde.String, serde.Int64)

// twoParts reads two topics, with an internal one between two parts.
func twoParts(b *topology.Builder) {
	in := b.AddSource("IN", text("in"))
	up := b.AddProcessor("UP", forward, in)
	b.Connect("UP", seen)
	b.AddInternalSink("SHUFFLE", text("by-word-repartition"), up)
	again := b.AddInternalSource("AGAIN", text("by-word-repartition"), 0)
	tab := b.AddSource("TAB", text("tab"))
	down := b.AddProcessor("DOWN", forward, again, tab)
	b.Copartition(again.Node(), tab.Node())
	b.AddSink("OUT", text("out"), down)
}

func TestSubTopologies(t *testing.T) {
	b := topology.NewBuilder()
	twoParts(b)
	topo, err := b.Build()
	require.NoError(t, err)
	subs := topo.SubTopologies()
	require.Len(t, subs, 2)
	require.Equal(t, []string{"in"}, subs[0].SourceTopics)
	require.Equal(t, []string{"by-word-repartition"}, subs[0].SinkTopics)
	require.Equal(t, []string{"seen"}, subs[0].Stores)
	require.Equal(t, []string{"by-word-repartition", "tab"}, subs[1].SourceTopics)
	require.Equal(t, []string{"by-word-repartition"}, subs[1].RepartitionTopics)
	require.Equal(t, [][]string{{"by-word-repartition", "tab"}}, subs[1].CopartitionGroups)
	s, ok := topo.Store("seen")
	require.True(t, ok)
	require.Equal(t, "app-seen-changelog", s.Changelog("app"))
}

func TestSharedStoresJoinParts(t *testing.T) {
	b := topology.NewBuilder()
	b.AddProcessor("A", forward, b.AddSource("a", text("a")))
	b.AddProcessor("B", forward, b.AddSource("b", text("b")))
	b.Connect("A", seen)
	b.Connect("B", seen)
	topo, err := b.Build()
	require.NoError(t, err)
	require.Len(t, topo.SubTopologies(), 1)
}

func TestPartitionsOfInternalTopics(t *testing.T) {
	of := func(counts map[string]int32) func(string) (int32, error) {
		return func(topic string) (int32, error) {
			if n := counts[topic]; n > 0 {
				return n, nil
			}
			return 0, errors.New("no such topic")
		}
	}
	b := topology.NewBuilder()
	twoParts(b)
	topo, err := b.Build()
	require.NoError(t, err)
	// The internal topic follows the one that it is joined with, not its input.
	got, err := topo.RepartitionTopics("app", of(map[string]int32{"in": 3, "tab": 5}))
	require.NoError(t, err)
	require.Equal(t, map[string]int32{"app-by-word-repartition": 5}, got)
	_, err = topo.RepartitionTopics("app", of(map[string]int32{"in": 3}))
	require.ErrorContains(t, err, `source topic "tab": no such topic`)

	b = topology.NewBuilder()
	x, y := b.AddSource("x", text("x")), b.AddSource("y", text("y"))
	b.AddProcessor("P", forward, x, y)
	b.Copartition(x.Node(), y.Node())
	topo, err = b.Build()
	require.NoError(t, err)
	_, err = topo.RepartitionTopics("app", of(map[string]int32{"x": 3, "y": 5}))
	require.ErrorContains(t, err, `topics "x" and "y" are joined but have 3 and 5 partitions`)
}

func TestDescribe(t *testing.T) {
	b := topology.NewBuilder()
	twoParts(b)
	topo, err := b.Build()
	require.NoError(t, err)
	require.Equal(t, strings.ReplaceAll(`Topologies:
   Sub-topology: 0
    Source: IN (topics: [in])
      --> UP
    Processor: UP (stores: [seen])
      --> SHUFFLE
      <-- IN
    Sink: SHUFFLE (topic: by-word-repartition)
      <-- UP

  Sub-topology: 1
    Source: AGAIN (topics: [by-word-repartition])
      --> DOWN
    Source: TAB (topics: [tab])
      --> DOWN
    Processor: DOWN (stores: [])
      --> OUT
      <-- AGAIN, TAB
    Sink: OUT (topic: out)
      <-- DOWN

`, "\r", ""), topo.Describe())
	m := topo.Mermaid()
	for _, want := range []string{"flowchart TD", `n0["IN"]`, "n0 --> n1", "n1 -.- s0", `subgraph sub1`, `[("out")]`} {
		require.Contains(t, m, want)
	}
}

func TestMistakes(t *testing.T) {
	b := topology.NewBuilder()
	in := b.AddSource("IN", text("in"))
	b.AddSource("IN2", text("in"))
	b.AddSource("IN", text("x"))
	b.AddProcessor[pass]("NONE", forward)
	b.AddSink("S", topology.NewTopic[string, string]("t", nil, serde.String), in)
	b.Connect("S", seen)
	b.Connect("WHO", seen)
	b.AddStore(state.KeyValue("bad/name", serde.String, serde.String))
	b.AddStore(state.KeyValue("seen", serde.String, serde.String))
	_, err := b.Build()
	for _, want := range []string{
		`topic "in" is read by two sources, "IN" and "IN2"`,
		`two nodes are called "IN"`,
		`processor "NONE" has no parent`,
		`topic "t" has no key serde`,
		`connecting stores to "S": it is a Sink`,
		`connecting stores to "WHO": no such node`,
		`store "bad/name" is not used`,
	} {
		require.ErrorContains(t, err, want)
	}
	_, err = topology.NewBuilder().Build()
	require.ErrorContains(t, err, "no source")
}

// Nodes are added below those that are there, so there are no circles; what
// another builder made does not fit.
func TestParentsOfAnotherBuilder(t *testing.T) {
	other := topology.NewBuilder().AddSource("THERE", text("there"))
	b := topology.NewBuilder()
	in := b.AddSource("IN", text("in"))
	b.AddProcessor("P", forward, in, other)
	b.AddSink("S", text("out"), other)
	_, err := b.Build()
	require.ErrorContains(t, err, `node "P": its parent "THERE" belongs to another builder`)
	require.ErrorContains(t, err, `node "S": its parent "THERE" belongs to another builder`)
}

func TestDiff(t *testing.T) {
	shape := func(f func(b *topology.Builder)) topology.Shape {
		b := topology.NewBuilder()
		f(b)
		topo, err := b.Build()
		require.NoError(t, err)
		// It survives being stored.
		data, err := json.Marshal(topo.Shape())
		require.NoError(t, err)
		var s topology.Shape
		require.NoError(t, json.Unmarshal(data, &s))
		return s
	}
	withStore := func(h topology.Declared) topology.Shape {
		return shape(func(b *topology.Builder) {
			b.AddProcessor("P", forward, b.AddSource("in", text("in")))
			b.Connect("P", h)
		})
	}
	old := shape(twoParts)
	require.Equal(t, []topology.Change{
		{What: "store", Name: "seen", Kind: topology.Kept},
		{What: "topic", Name: "by-word-repartition", Kind: topology.Kept},
	}, topology.Diff(old, old))

	kinds := map[string]topology.ChangeKind{}
	for _, c := range topology.Diff(old, withStore(state.KeyValue("seen", serde.String, serde.String))) {
		kinds[c.Name] = c.Kind
		require.NotEmpty(t, c.Why)
		require.Contains(t, c.String(), c.Name)
	}
	require.Equal(t, map[string]topology.ChangeKind{"seen": topology.Broken, "by-word-repartition": topology.Orphaned}, kinds)

	kinds = map[string]topology.ChangeKind{}
	for _, c := range topology.Diff(old, withStore(state.KeyValue("other", serde.String, serde.Int64))) {
		kinds[c.Name] = c.Kind
	}
	require.Equal(t, topology.New, kinds["other"])
	require.Equal(t, topology.Orphaned, kinds["seen"])
}

func TestFingerprint(t *testing.T) {
	print := func(f func(b *topology.Builder)) string {
		b := topology.NewBuilder()
		f(b)
		topo, err := b.Build()
		require.NoError(t, err)
		return topo.Fingerprint()
	}
	a := print(twoParts)
	require.Len(t, a, 16)
	require.Equal(t, a, print(twoParts))
	// A node more changes nothing of the state, a store more does.
	require.Equal(t, a, print(func(b *topology.Builder) {
		twoParts(b)
		b.AddSink("MORE", text("more"), b.AddSource("EXTRA", text("extra")))
	}))
	require.NotEqual(t, a, print(func(b *topology.Builder) {
		twoParts(b)
		b.Connect("DOWN", state.KeyValue("more", serde.String, serde.String))
	}))
}

func TestNames(t *testing.T) {
	for _, name := range []string{"a", "A-b_c.9", strings.Repeat("x", 249)} {
		require.NoError(t, topology.CheckName(name))
	}
	for _, name := range []string{"", ".", "..", "a b", "ä", strings.Repeat("x", 250)} {
		require.Error(t, topology.CheckName(name))
	}
}

// record prepares one record at the source of a topic.
func prepare(t *testing.T, topic topology.Topic[string, string], ts, partitionTime int64) (int64, bool, error) {
	t.Helper()
	b := topology.NewBuilder()
	b.AddSource("IN", topic)
	topo, err := b.Build()
	require.NoError(t, err)
	c := processor.NewContext(processor.Env{})
	w, err := topo.Wire(c)
	require.NoError(t, err)
	return w.Sources[topic.Name].Prepare(c, processor.RawRecord{Topic: topic.Name, Timestamp: ts, Key: []byte("k"), Value: []byte("v")}, partitionTime)
}

func TestTimes(t *testing.T) {
	own := func(at int64, err error) func(topology.RecordInfo[string, string]) (int64, error) {
		return func(r topology.RecordInfo[string, string]) (int64, error) {
			require.Equal(t, "k", r.Key)
			return at, err
		}
	}
	for name, c := range map[string]struct {
		topic         topology.Topic[string, string]
		ts, partition int64
		want          int64
		keep          bool
		fails         string
	}{
		"the record's":                 {topic: text("t"), ts: 7, want: 7, keep: true},
		"negative fails":               {topic: text("t"), ts: -1, fails: "timestamp -1 is negative"},
		"negative skipped":             {topic: text("t").OnInvalidTime(topology.SkipInvalidTime), ts: -1, want: -1},
		"partition time":               {topic: text("t").OnInvalidTime(topology.PartitionTimeForInvalid), ts: -1, partition: 9, want: 9, keep: true},
		"no partition time":            {topic: text("t").OnInvalidTime(topology.PartitionTimeForInvalid), ts: -1, partition: -1, fails: "no record came before"},
		"a function's":                 {topic: text("t").WithTime(own(3, nil)), ts: 7, want: 3, keep: true},
		"a function's negative":        {topic: text("t").WithTime(own(-3, nil)), ts: 7, want: -3},
		"a function's negative, fails": {topic: text("t").WithTime(own(-3, nil)).OnInvalidTime(topology.FailInvalidTime), ts: 7, fails: "negative"},
		"a function's error":           {topic: text("t").WithTime(own(0, errors.New("no time"))), ts: 7, fails: "no time"},
	} {
		t.Run(name, func(t *testing.T) {
			ts, keep, err := prepare(t, c.topic, c.ts, c.partition)
			if c.fails != "" {
				require.ErrorContains(t, err, c.fails)
				return
			}
			require.NoError(t, err)
			require.Equal(t, c.want, ts)
			require.Equal(t, c.keep, keep)
		})
	}
}
