package dsl_test

import (
	"fmt"
	"strings"

	"github.com/thalweg/thalweg/dsl"
	"github.com/thalweg/thalweg/processor"
	"github.com/thalweg/thalweg/serde"
	"github.com/thalweg/thalweg/topology"
)

// Several topics of the same types are one stream.
func ExampleBuilder_Stream() {
	old := topology.NewTopic("readings-2025", serde.String, serde.Int64)

	b := dsl.NewBuilder()
	b.Stream(readings, old).ForEach(func(airport string, degrees int64) { fmt.Println(airport, degrees) })

	d := drive(b)
	d.Input(old).Send("JFK", 3)
	d.Input(readings).Send("JFK", 4)
	// Output:
	// JFK 3
	// JFK 4
}

// All topics of a pattern are one stream, those that appear later included.
func ExampleBuilder_StreamMatching() {
	regions := topology.NewPattern("readings-.*", serde.String, serde.Int64)

	b := dsl.NewBuilder()
	b.StreamMatching(regions).
		ProcessFunc("show", func(c *processor.Context, r processor.Record[string, int64], _ *processor.Out[string, int64]) error {
			fmt.Println(c.Topic(), r.Key, r.Value)
			return nil
		})

	d := drive(b)
	d.Input(regions.Topic("readings-us")).Send("JFK", 3)
	d.Input(regions.Topic("readings-eu")).Send("AMS", 4)
	// Output:
	// readings-us JFK 3
	// readings-eu AMS 4
}

func ExampleBuilder_StreamNamed() {
	b := dsl.NewBuilder()
	b.StreamNamed("read-lines", lines).To(words, dsl.Named("write-words"))
	t, err := b.Build()
	if err != nil {
		panic(err)
	}
	fmt.Print(t.Describe())
	// Output:
	// Topologies:
	//    Sub-topology: 0
	//     Source: read-lines (topics: [lines])
	//       --> write-words
	//     Sink: write-words (topic: words)
	//       <-- read-lines
}

// With ReuseSourceTopics a table is restored from its source topic.
func ExampleBuilder_Optimise() {
	for _, o := range []dsl.Optimisation{0, dsl.ReuseSourceTopics} {
		b := dsl.NewBuilder().Optimise(o)
		b.Table(airports, "airports")
		t, err := b.Build()
		if err != nil {
			panic(err)
		}
		fmt.Println(t.Stores[0].Changelog("weather"))
	}
	// Output:
	// weather-airports-changelog
	// airports
}

func ExamplePartitions() {
	b := dsl.NewBuilder()
	b.Stream(lines).
		GroupBy(dsl.Value, dsl.RepartitionAs("by-line", dsl.Partitions(12))).
		Count("counts")
	t, err := b.Build()
	if err != nil {
		panic(err)
	}
	topics, err := t.RepartitionTopics("app", func(string) (int32, error) { return 3, nil })
	fmt.Println(topics, err)
	// Output: map[app-by-line-repartition:12] <nil>
}

// Below the DSL lies a builder of single nodes, for a processor that chooses
// among its children, say.
func ExampleBuilder_Topology() {
	route := func(_ *processor.Context, r processor.Record[string, string], out *processor.Out[string, string]) error {
		if strings.HasPrefix(r.Value, "!") {
			return out.ForwardTo("loud", r)
		}
		return out.ForwardTo("quiet", r)
	}
	loud := topology.NewTopic("loud", serde.String, serde.String)
	quiet := topology.NewTopic("quiet", serde.String, serde.String)

	b := dsl.NewBuilder()
	t := b.Topology()
	in := t.AddSource("lines", lines)
	routed := t.AddProcessor("route", func() processor.Func[string, string, string, string] { return route }, in)
	t.AddSink("loud", loud, routed)
	t.AddSink("quiet", quiet, routed)

	d := drive(b)
	d.Input(lines).Send("", "fog")
	d.Input(lines).Send("", "!storm")
	fmt.Println(d.Output(loud).Read().Value, d.Output(quiet).Read().Value)
	// Output: !storm fog
}
