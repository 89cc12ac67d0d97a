package dsl_test

import (
	"errors"
	"strings"
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

type point struct{ X, Y int }

func build(t *testing.T, b *dsl.Builder) *topology.Topology {
	t.Helper()
	topo, err := b.Build()
	require.NoError(t, err)
	return topo
}

func TestBuildReportsAllMistakes(t *testing.T) {
	b := dsl.NewBuilder()
	s := b.Stream(words)
	s.GroupByKey().Count("")
	s.GroupByKey().Count("twice")
	s.GroupByKey().Count("twice")
	s.GroupByKey().Aggregate("points", func() point { return point{} }, func(_, _ string, p point) point { return p })
	s.GroupByKey().WindowedBy(windowing.Tumbling(0)).Count("none")
	s.GroupByKey().WindowedBy(windowing.Tumbling(time.Minute)).Count("short", dsl.Retention(time.Second))
	s.Map(func(k, v string) (string, string) { return v, k }).
		JoinTable(b.Table(totals, "totals"), func(a string, n int64) string { return a })
	s.Repartition("")
	s.GroupByKey().Count("bad name")
	s.Join("join", s, windowing.Within(time.Second).WithBefore(-time.Minute), func(a, _ string) string { return a })

	_, err := b.Build()
	require.Error(t, err)
	for _, want := range []string{
		"count below \"words\" needs the name of a store",
		`two operators keep something in store "twice"`,
		`value of store "points": serde: no serde for dsl_test.point: register one with Builder.Use`,
		"window size 0s",
		"retention 1s is shorter",
		"follows a change of keys: name the repartition topic",
		"Repartition below \"words\" needs a name",
		`the name "bad name" contains ' '`,
		"ends before it begins",
	} {
		require.ErrorContains(t, err, want)
	}
}

func TestTopicsReadTwice(t *testing.T) {
	b := dsl.NewBuilder()
	b.Stream(words).ForEach(func(string, string) {})
	b.Stream(words).To(topology.NewTopic("copy", serde.String, serde.String))
	topo := build(t, b)
	require.Len(t, topo.SubTopologies(), 1)

	b = dsl.NewBuilder()
	b.Stream(words)
	b.Stream(topology.NewTopic("words", serde.String, serde.Int64))
	_, err := b.Build()
	require.ErrorContains(t, err, `topic "words" is read twice, with different types`)

	b = dsl.NewBuilder()
	b.Stream(words)
	b.Table(words, "w")
	_, err = b.Build()
	require.ErrorContains(t, err, `topic "words" is read as a stream and as a table`)
}

// A change of keys that is known to leave records in their partitions needs no
// repartition topic.
func TestKeysThatKeepTheirPartitions(t *testing.T) {
	perMinute := func(b *dsl.Builder) dsl.Table[windowing.Windowed[string], int64] {
		return b.Stream(words).GroupByKey().WindowedBy(windowing.Tumbling(time.Minute)).Count("minutes")
	}
	b := dsl.NewBuilder()
	perMinute(b).ToStream().SelectKey(windowing.Key).GroupByKey().Count("again")
	require.Len(t, build(t, b).SubTopologies(), 1)

	b = dsl.NewBuilder()
	perMinute(b).ToStream().
		Map(func(w windowing.Windowed[string], n int64) (string, int64) { return w.Key, n }, dsl.KeepsPartition()).
		GroupByKey().Count("again")
	require.Len(t, build(t, b).SubTopologies(), 1)

	b = dsl.NewBuilder()
	perMinute(b).ToStream().
		SelectKey(func(w windowing.Windowed[string], _ int64) string { return w.Key }).
		GroupByKey().Count("again")
	require.Len(t, build(t, b).SubTopologies(), 2)
}

// Types with a null of their own show it and may return it.
func TestNullsOfNullableTypes(t *testing.T) {
	texts := topology.NewTopic("texts", serde.String, serde.Nullable(serde.String))
	out := topology.NewTopic("out", serde.String, serde.Nullable(serde.String))
	b := dsl.NewBuilder()
	b.Stream(texts).
		MapValues(func(s *string) *string {
			if s == nil {
				return new("was null")
			}
			return nil
		}).
		To(out)
	d := testdriver.New(t, build(t, b))
	d.Input(texts).Send("a", nil)
	d.Input(texts).Send("b", new("text"))
	got := d.Output(out).All()
	require.Len(t, got, 2)
	require.Equal(t, "was null", *got[0].Value)
	require.True(t, got[1].NullValue)
}

// The innermost node that failed is abandoned; the nodes around it go on.
func TestFailuresAreHandledAtTheInnermostNode(t *testing.T) {
	var failures []processor.Failure
	b := dsl.NewBuilder()
	b.Stream(words).
		ProcessFunc("twice", func(_ *processor.Context, r processor.Record[string, string], out *processor.Out[string, string]) error {
			for _, v := range []string{r.Value, "panic", "last"} {
				r.Value = v
				if err := out.Forward(r); err != nil {
					return err
				}
			}
			return errors.New("after all")
		}).
		MapValues(func(s string) string {
			if s == "panic" {
				panic("boom")
			}
			return strings.ToUpper(s)
		}, dsl.Named("upper")).
		To(topology.NewTopic("out", serde.String, serde.String))
	d := testdriver.New(t, build(t, b), testdriver.OnFailure(func(_ *processor.Context, f *processor.Failure) processor.Action {
		failures = append(failures, *f)
		return processor.Skip
	}))
	d.Input(words).Send("k", "first")

	var got []string
	for _, r := range d.Output(topology.NewTopic("out", serde.String, serde.String)).All() {
		got = append(got, r.Value)
	}
	require.Equal(t, []string{"FIRST", "LAST"}, got)
	require.Len(t, failures, 2)
	require.Equal(t, "upper", failures[0].Node)
	require.ErrorContains(t, failures[0].Err, "boom")
	require.NotEmpty(t, failures[0].Stack)
	require.Equal(t, "panic", failures[0].Value)
	require.Equal(t, "twice", failures[1].Node)
	require.EqualError(t, failures[1].Err, "after all")
}

func TestMergedRepartitions(t *testing.T) {
	program := func(o dsl.Optimisation) *dsl.Builder {
		b := dsl.NewBuilder().Optimise(o)
		s := b.Stream(words).SelectKey(func(_, v string) string { return v })
		s.GroupByKey().Count("counts").ToStream().To(totals)
		s.Filter(func(_, v string) bool { return v != "b" }).GroupByKey().Reduce("joined", func(a, v string) string { return a + v })
		return b
	}
	plain, merged := build(t, program(0)), build(t, program(dsl.MergeRepartitions))
	require.Len(t, plain.SubTopologies(), 3)
	require.Len(t, merged.SubTopologies(), 2)
	require.Equal(t, []string{"counts-repartition"}, merged.SubTopologies()[1].SourceTopics)
	for _, topo := range []*topology.Topology{plain, merged} {
		d := testdriver.New(t, topo)
		for _, v := range []string{"a", "b", "a"} {
			d.Input(words).Send("k", v)
		}
		require.Equal(t, map[string]int64{"a": 2, "b": 1}, testdriver.ReadMap(d.Output(totals)))
	}
}

// What a program computes does not depend on how it is run.
func TestFinalTablesDoNotDependOnTheRun(t *testing.T) {
	run := func(opts ...testdriver.Option) map[string]int64 {
		b := dsl.NewBuilder()
		byWord := b.Stream(words).FlatMapValues(strings.FieldsSeq).GroupBy(dsl.Value).Count("counts")
		byWord.GroupBy(func(w string, n int64) (string, int64) { return w[:1], n }).
			AggregateBy("letters", dsl.Sum(func(n int64) int64 { return n })).
			ToStream().To(totals)
		d := testdriver.New(t, build(t, b), opts...)
		for _, line := range strings.Split("to be or|not to be|that is|the question", "|") {
			d.Input(words).Send(line[:1], line)
		}
		for range 3 {
			d.Commit()
		}
		return testdriver.ReadMap(d.Output(totals))
	}
	want := map[string]int64{"t": 4, "b": 2, "o": 1, "n": 1, "i": 1, "q": 1}
	require.Equal(t, want, run())
	require.Equal(t, want, run(testdriver.ManualCommit()))
	require.Equal(t, want, run(testdriver.CacheBytes(0)))
	require.Equal(t, want, run(testdriver.Partitions(3)))
	require.Equal(t, want, run(testdriver.Partitions(2), testdriver.WithCrashes(7)))
}

func TestPartitionersOfForeignKeyJoins(t *testing.T) {
	b := dsl.NewBuilder()
	left, right := b.Table(words, "left"), b.Table(totals, "right")
	fk := func(_, v string) (string, bool) { return v, true }
	join := func(v string, n int64) string { return v }
	byInt := func(int64, int32) int32 { return 0 }
	left.JoinOn("a", right, fk, join, dsl.PartitionForeign(byInt))
	left.JoinOn("b", right, fk, join, dsl.PartitionRows(byInt))
	_, err := b.Build()
	require.ErrorContains(t, err, "join a: PartitionForeign is for keys of type int64, but the key is a string")
	require.ErrorContains(t, err, "join b: PartitionRows is for keys of type int64, but the key is a string")
}
