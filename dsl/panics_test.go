package dsl_test

import (
	"context"
	"errors"
	"iter"
	"slices"
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

// boom returns v unless that is bad, as all functions below do.
func boom(v string) string {
	if strings.Contains(v, "bad") {
		panic("boom")
	}
	return v
}

func boomOf(_, v string) string     { return boom(v) }
func boomIf(_, v string) bool       { return boom(v) != "" }
func boomAdd(_, v, _ string) string { return boom(v) }
func boomTwo(a, b string) string    { return boom(a) + boom(b) }

// bomber is every kind of processor.
type bomber struct{ schedule bool }

func (b *bomber) Process(c *processor.Context, r processor.Record[string, string], out *processor.Out[string, string]) error {
	if !b.schedule {
		boom(r.Value)
	} else if strings.Contains(r.Value, "bad") {
		once := false
		c.Schedule(time.Millisecond, processor.WallClock, func(int64) error {
			if !once {
				once = true
				panic("boom")
			}
			return nil
		})
	}
	return out.Forward(r)
}

type valueBomber struct{}

func (valueBomber) Process(_ *processor.Context, r processor.Record[string, string], out *processor.ValueOut[string]) error {
	return out.Forward(boom(r.Value))
}

func (valueBomber) Transform(_ *processor.Context, _ string, v dsl.Maybe[string]) (dsl.Maybe[string], error) {
	boom(v.Value)
	return v, nil
}

// bombSerde fails to decode or to encode.
func bombSerde(decode bool) serde.Serde[string] {
	return serde.Of(
		func(dst []byte, v string) ([]byte, error) {
			if !decode {
				boom(v)
			}
			return append(dst, v...), nil
		},
		func(src []byte, v *string) error {
			*v = string(src)
			if decode {
				boom(*v)
			}
			return nil
		})
}

// A panic in any function of the user's is a failure of the record at hand, told
// to the handler with the operator's name; the next record is processed. Without
// a handler it ends the task.
func TestPanicsInUserFunctions(t *testing.T) {
	rows := words
	rows.Name = "rows"
	minute := windowing.Tumbling(time.Minute)
	stream := func(s dsl.Stream[string, string]) { s.To(shouts) }
	table := func(tb dsl.Table[string, string]) { stream(tb.ToStream()) }
	windows := func(tb dsl.Table[windowing.Windowed[string], string]) {
		stream(tb.ToStream().SelectKey(windowing.Key))
	}
	self := func(k, _ string) (string, bool) { return k, true }
	keep := func(_, v, _ string) string { return v }
	for name, c := range map[string]struct {
		stage   processor.Stage
		program func(b *dsl.Builder)
	}{
		"filter": {0, func(b *dsl.Builder) { stream(b.Stream(words).Filter(boomIf)) }},
		"map": {0, func(b *dsl.Builder) {
			stream(b.Stream(words).Map(func(k, v string) (string, string) { return k, boom(v) }))
		}},
		"map values":   {0, func(b *dsl.Builder) { stream(b.Stream(words).MapValues(boom)) }},
		"map with key": {0, func(b *dsl.Builder) { stream(b.Stream(words).MapValuesWithKey(boomOf)) }},
		"flat map values": {0, func(b *dsl.Builder) {
			stream(b.Stream(words).FlatMapValues(func(v string) iter.Seq[string] { return slices.Values([]string{boom(v)}) }))
		}},
		"iterator": {0, func(b *dsl.Builder) {
			stream(b.Stream(words).FlatMapValues(func(v string) iter.Seq[string] { return func(yield func(string) bool) { yield(boom(v)) } }))
		}},
		"flat map": {0, func(b *dsl.Builder) {
			stream(b.Stream(words).FlatMap(func(k, v string) iter.Seq2[string, string] {
				return func(yield func(string, string) bool) { yield(k, boom(v)) }
			}))
		}},
		"select key": {0, func(b *dsl.Builder) { stream(b.Stream(words).SelectKey(boomOf)) }},
		"peek":       {0, func(b *dsl.Builder) { stream(b.Stream(words).Peek(func(_, v string) { boom(v) })) }},
		"for each":   {0, func(b *dsl.Builder) { b.Stream(words).ForEach(func(_, v string) { boom(v) }) }},
		"branch":     {0, func(b *dsl.Builder) { stream(b.Stream(words).Split().Case("a", boomIf)) }},
		"async": {0, func(b *dsl.Builder) {
			stream(b.Stream(words).TryMapValuesAsync(2, func(_ context.Context, r processor.Record[string, string]) (string, error) {
				return boom(r.Value), nil
			}))
		}},
		"process": {0, func(b *dsl.Builder) { stream(b.Stream(words).Process("p", func() *bomber { return &bomber{} })) }},
		"punctuation": {processor.StagePunctuate, func(b *dsl.Builder) {
			stream(b.Stream(words).Process("p", func() *bomber { return &bomber{schedule: true} }))
		}},
		"process values": {0, func(b *dsl.Builder) {
			stream(b.Stream(words).ProcessValues("p", func() valueBomber { return valueBomber{} }))
		}},
		"group by": {0, func(b *dsl.Builder) {
			table(b.Stream(words).GroupBy(boomOf).Reduce("s", func(_, v string) string { return v }))
		}},
		"initializer": {0, func(b *dsl.Builder) {
			n := 0
			table(b.Stream(words).GroupByKey().Aggregate("s", func() string {
				if n++; n == 1 {
					panic("boom")
				}
				return ""
			}, keep))
		}},
		"reduce":    {0, func(b *dsl.Builder) { table(b.Stream(words).GroupByKey().Reduce("s", boomTwo)) }},
		"aggregate": {0, func(b *dsl.Builder) { table(b.Stream(words).GroupByKey().Aggregate("s", empty, boomAdd)) }},
		"windows": {0, func(b *dsl.Builder) {
			windows(b.Stream(words).GroupByKey().WindowedBy(minute).Aggregate("s", empty, boomAdd))
		}},
		"sliding": {0, func(b *dsl.Builder) {
			windows(b.Stream(words).GroupByKey().SlidingBy(windowing.SlidingOf(time.Minute)).Aggregate("s", empty, boomAdd))
		}},
		"sessions": {0, func(b *dsl.Builder) {
			windows(b.Stream(words).GroupByKey().SessionBy(windowing.Sessions(time.Minute)).Aggregate("s", empty, boomAdd, keep))
		}},
		"session merge": {0, func(b *dsl.Builder) {
			n := 0
			windows(b.Stream(words).GroupByKey().SessionBy(windowing.Sessions(time.Minute)).Aggregate("s", empty, keep, func(_, a, _ string) string {
				if n++; n == 1 {
					panic("boom")
				}
				return a
			}))
		}},
		"cogroup": {0, func(b *dsl.Builder) { table(b.Stream(words).GroupByKey().Cogroup(boomAdd).Aggregate("s", empty)) }},
		"on late": {0, func(b *dsl.Builder) {
			windows(b.Stream(words).GroupByKey().WindowedBy(minute).
				OnLate(func(*processor.Context, processor.Record[string, string], int64, int64) { panic("boom") }).
				Aggregate("s", empty, keep))
		}},
		"join": {0, func(b *dsl.Builder) {
			stream(b.Stream(words).Join("j", b.Stream(rows), windowing.Within(time.Hour), boomTwo))
		}},
		"join table": {0, func(b *dsl.Builder) { stream(b.Stream(words).JoinTable(b.Table(rows, "rows"), boomTwo)) }},
		"global key": {0, func(b *dsl.Builder) { stream(b.Stream(words).JoinGlobal(b.GlobalTable(rows, "rows"), boomOf, boomTwo)) }},
		"global join": {0, func(b *dsl.Builder) {
			stream(b.Stream(words).JoinGlobal(b.GlobalTable(rows, "rows"), func(k, _ string) string { return k }, boomTwo))
		}},
		"table filter": {0, func(b *dsl.Builder) { table(b.Table(words, "s").Filter(boomIf)) }},
		"table values": {0, func(b *dsl.Builder) { table(b.Table(words, "s").MapValues(boom)) }},
		"transformer": {0, func(b *dsl.Builder) {
			table(b.Table(words, "s").TransformValues("t", func() valueBomber { return valueBomber{} }))
		}},
		"table join": {0, func(b *dsl.Builder) { table(b.Table(words, "s").Join(b.Table(rows, "rows"), boomTwo)) }},
		"foreign key": {0, func(b *dsl.Builder) {
			table(b.Table(words, "s").JoinOn("j", b.Table(rows, "rows"), func(k, v string) (string, bool) { boom(v); return k, true }, boomTwo))
		}},
		"foreign join": {0, func(b *dsl.Builder) { table(b.Table(words, "s").JoinOn("j", b.Table(rows, "rows"), self, boomTwo)) }},
		"table group": {0, func(b *dsl.Builder) {
			table(b.Table(words, "s").GroupBy(func(k, v string) (string, string) { return k, boom(v) }).Reduce("r", func(_, v string) string { return v }, func(a, _ string) string { return a }))
		}},
		"adder": {0, func(b *dsl.Builder) {
			table(b.Table(words, "s").GroupBy(func(k, v string) (string, string) { return k, v }).Aggregate("r", empty, boomAdd, keep))
		}},
		"subtractor": {0, func(b *dsl.Builder) {
			table(b.Table(words, "s").GroupBy(func(k, v string) (string, string) { return k, v }).Aggregate("r", empty, keep, boomAdd))
		}},
		"time": {processor.StageTime, func(b *dsl.Builder) {
			stream(b.Stream(words.WithTime(func(r topology.RecordInfo[string, string]) (int64, error) { boom(r.Value); return 0, nil })))
		}},
		"topic": {0, func(b *dsl.Builder) {
			b.Stream(words).ToFunc(shouts, func(_ *processor.Context, r processor.Record[string, string]) (string, error) {
				boom(r.Value)
				return "shouts", nil
			})
		}},
		"partitioner": {processor.StageProduce, func(b *dsl.Builder) {
			b.Stream(words).To(shouts.WithPartitioner(func(_, v string, _ int32) int32 { boom(v); return 0 }))
		}},
		"encode": {processor.StageEncode, func(b *dsl.Builder) { b.Stream(words).To(topology.NewTopic("shouts", serde.String, bombSerde(false))) }},
		"decode": {processor.StageDecode, func(b *dsl.Builder) { stream(b.Stream(topology.NewTopic("words", serde.String, bombSerde(true)))) }},
	} {
		t.Run(name, func(t *testing.T) {
			program := func() *topology.Topology {
				b := dsl.NewBuilder()
				c.program(b)
				return build(t, b)
			}
			topo := program()
			stage := c.stage
			if stage == 0 {
				stage = processor.StageProcess
			}
			run := func(d *testdriver.Driver) {
				if strings.Contains(topo.Describe(), "[rows]") {
					d.Input(rows).SendAt(at(0), "good", "row")
					d.Input(rows).SendAt(at(0), "k", "row")
				}
				for i, v := range []string{"good", "bad", "good"} {
					d.Input(words).SendAt(at(1_000*i), "k", v)
					d.Input(words).SendAt(at(1_000*i), "k", v)
					d.Input(words).SendAt(at(0), "k", "good") // late
					d.Advance(time.Second)
				}
			}
			var failures []processor.Failure
			run(testdriver.New(t, topo, testdriver.OnFailure(func(_ *processor.Context, f *processor.Failure) processor.Action {
				failures = append(failures, *f)
				return processor.Skip
			})))
			require.NotEmpty(t, failures)
			for _, f := range failures {
				require.ErrorContains(t, f.Err, "panic: boom")
				require.NotEmpty(t, f.Stack)
				require.Equal(t, stage, f.Stage)
				require.NotEmpty(t, f.Node)
			}

			f := &fatal{}
			require.Panics(t, func() { run(testdriver.New(f, program())) })
			require.Regexp(t, stage.String()+` in node "`+failures[0].Node+`".*panic: boom`, strings.Join(f.messages, "\n"))
		})
	}
}

// A failed punctuation has no record: its dead letter names no topic.
func TestDeadLetterOfPunctuation(t *testing.T) {
	in := topology.NewTopic("in", serde.String, serde.String)
	b := dsl.NewBuilder()
	b.Stream(in).Process("fails", func() *failsLater { return new(failsLater) })
	d := testdriver.New(t, build(t, b), testdriver.DeadLetters("dead"),
		testdriver.OnFailure(func(*processor.Context, *processor.Failure) processor.Action { return processor.DeadLetter }))
	d.Advance(time.Second)
	var dead []processor.RawRecord
	for _, r := range d.Records() {
		if r.Topic == "dead" {
			dead = append(dead, r)
		}
	}
	require.Len(t, dead, 1)
	topic, ok := dead[0].Headers.Get("__streams.errors.topic")
	require.True(t, ok)
	require.Nil(t, topic)
}

type failsLater struct{}

func (*failsLater) Init(c *processor.Context, _ *processor.Out[string, string]) error {
	c.Schedule(time.Second, processor.WallClock, func(int64) error { return errors.New("no") })
	return nil
}

func (*failsLater) Process(*processor.Context, processor.Record[string, string], *processor.Out[string, string]) error {
	return nil
}
