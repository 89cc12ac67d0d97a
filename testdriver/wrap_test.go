package testdriver_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thalweg/thalweg/dsl"
	"github.com/thalweg/thalweg/processor"
	"github.com/thalweg/thalweg/serde"
	"github.com/thalweg/thalweg/state"
	"github.com/thalweg/thalweg/testdriver"
	"github.com/thalweg/thalweg/topology"
)

// ticker passes records on and one more for each second of stream time.
// Each is one of its own: it counts what it was given.
type ticker struct{ seen int }

func newTicker() *ticker { return new(ticker) }

func (p *ticker) Init(c *processor.Context, out *processor.Out[string, string]) error {
	c.Schedule(time.Second, processor.StreamTime, func(now int64) error {
		return out.Forward(processor.Record[string, string]{Key: "tick", Timestamp: now})
	})
	return nil
}

func (p *ticker) Process(c *processor.Context, r processor.Record[string, string], out *processor.Out[string, string]) error {
	p.seen++
	if r.Value == "bad" {
		return errors.New("bad value")
	}
	return out.Forward(r)
}

type shout struct{}

func (shout) Transform(_ *processor.Context, _ string, v dsl.Maybe[string]) (dsl.Maybe[string], error) {
	v.Value = strings.ToUpper(v.Value)
	return v, nil
}

// Wrappers see the calls of all processors, in the order they were given, with
// the record, and may open stores of their own and change what comes of a call.
func TestWrap(t *testing.T) {
	var log []string
	calls := func(node string) state.KVHandle[string, int64] {
		return state.KeyValue("calls-of-"+node, serde.String, serde.Int64)
	}
	b := dsl.NewBuilder()
	b.Wrap(func(node string) topology.Wrapper {
		if node == "quiet" {
			return topology.Wrapper{}
		}
		h := calls(node)
		return topology.Wrapper{
			Stores: []topology.Declared{h},
			New: func() processor.Interceptor {
				return func(c *processor.Context, call processor.Call, next func() error) error {
					n, _, err := h.In(c).Get(call.Kind.String())
					if err != nil {
						return err
					}
					if err := h.In(c).Put(call.Kind.String(), n+1); err != nil {
						return err
					}
					log = append(log, fmt.Sprintf("%s %s %v=%v of %s", call.Node, call.Kind, call.Key, call.Value, c.Topic()))
					if err := next(); err != nil {
						log = append(log, err.Error())
						return nil // the record is done with
					}
					return nil
				}
			},
		}
	})
	b.Wrap(func(node string) topology.Wrapper {
		return topology.Wrapper{New: func() processor.Interceptor {
			return func(_ *processor.Context, call processor.Call, next func() error) error {
				log = append(log, "inner "+call.Node)
				return next()
			}
		}}
	})
	b.Stream(lines).
		Process("tick", newTicker).
		ProcessValuesFunc("quiet", func(_ *processor.Context, r processor.Record[string, string], out *processor.ValueOut[string]) error {
			return out.Forward(r.Value + "!")
		}).
		To(loud)
	b.Table(topology.NewTopic("rows", serde.String, serde.String), "rows").TransformValues("shout", func() shout { return shout{} }).ToStream().ForEach(func(string, string) {})
	topo, err := b.Build()
	require.NoError(t, err)
	require.Contains(t, topo.Describe(), "Processor: tick (stores: [calls-of-tick])")

	d := testdriver.New(t, topo)
	require.Equal(t, []string{"tick init <nil>=<nil> of ", "inner tick", "inner quiet", "shout init <nil>=<nil> of ", "inner shout"}, log)
	log = nil
	d.Input(lines).Send("k", "v")
	require.Equal(t, []string{
		"tick process k=v of lines", "inner tick", "inner quiet",
		"tick punctuate <nil>=<nil> of ", "inner tick", "inner quiet",
	}, log)
	log = nil
	d.Input(lines).Send("k", "bad")
	require.Equal(t, []string{"tick process k=bad of lines", "inner tick", "bad value"}, log)
	require.Empty(t, d.Dropped(), "the wrapper has handled it")
	log = nil
	d.Input(topology.NewTopic("rows", serde.String, serde.String)).Send("r", "x")
	require.Equal(t, []string{"shout process r=x of rows", "inner shout"}, log)

	n, _, err := d.Store(calls("tick")).Get("process")
	require.NoError(t, err)
	require.Equal(t, int64(2), n)
	require.Equal(t, []string{"v!", "!"}, func() (vs []string) {
		for _, r := range d.Output(loud).All() {
			vs = append(vs, r.Value)
		}
		return vs
	}())
}

// A panic of a wrapper is handled as one of the processor, and an error of its
// Init ends the task.
func TestWrapFails(t *testing.T) {
	build := func(kind processor.CallKind) *topology.Topology {
		b := dsl.NewBuilder()
		b.Wrap(func(string) topology.Wrapper {
			return topology.Wrapper{New: func() processor.Interceptor {
				return func(_ *processor.Context, call processor.Call, next func() error) error {
					if call.Kind == kind {
						panic("wrapped")
					}
					return next()
				}
			}}
		})
		b.Stream(lines).Process("tick", newTicker)
		topo, err := b.Build()
		require.NoError(t, err)
		return topo
	}
	var stages []string
	handler := testdriver.OnFailure(func(_ *processor.Context, f *processor.Failure) processor.Action {
		stages = append(stages, fmt.Sprint(f.Stage, " ", f.Node, " ", f.Err))
		return processor.Skip
	})
	testdriver.New(t, build(processor.CallProcess), handler).Input(lines).Send("k", "v")
	require.Equal(t, []string{"process tick panic: wrapped"}, stages)
	var h host
	require.Contains(t, h.try(func() { testdriver.New(&h, build(processor.CallInit)) }), "panic: wrapped")
}

// A function that returns one processor for all tasks is a mistake.
func TestSameProcessorTwice(t *testing.T) {
	one := new(ticker)
	var none *ticker
	var p processor.Processor[string, string, string, string] = one
	b := dsl.NewBuilder()
	b.Stream(lines).Process("one", func() *ticker { return one })
	b.Stream(lines).Process("none", func() *ticker { return none })
	b.Stream(lines).Process("hidden", func() processor.Processor[string, string, string, string] { return p })
	b.Stream(lines).Process("fresh", newTicker)
	b.Topology().AddProcessor("low", func() *ticker { return one }, b.Topology().AddSource("other", loud))
	b.Topology().AddGlobalStore(written.kv, "global", topology.NewTopic("g", serde.String, serde.String), func() *ticker { return one })
	b.Table(topology.NewTopic("rows", serde.String, serde.String), "rows").TransformValues("empty", func() *shout { return new(shout) })
	_, err := b.Build()
	for _, want := range []string{
		`processor "one": the function that makes it returned the same *testdriver_test.ticker twice: each task needs one of its own`,
		`processor "none": the function that makes it returned nil`,
		`processor "hidden": the function that makes it returned the same`,
		`processor "low": the function that makes it returned the same`,
		`processor "global": the function that makes it returned the same`,
	} {
		require.ErrorContains(t, err, want)
	}
	require.NotContains(t, err.Error(), "fresh")
	require.NotContains(t, err.Error(), "empty", "pointers to nothing share nothing")
}

// Inputs have a clock of their own.
func TestInputsThatAdvance(t *testing.T) {
	b := dsl.NewBuilder()
	b.Stream(lines).To(loud)
	topo, err := b.Build()
	require.NoError(t, err)
	d := testdriver.New(t, topo)
	start := time.UnixMilli(1000)
	in := d.Input(lines).From(start, time.Second)
	in.Send("a", "1")
	in.SendAt(time.UnixMilli(77), "b", "2") // its own time, and the clock stays
	in.Delete("c")
	d.Input(lines).Send("f", "6")
	var times []int64
	for _, r := range d.Output(loud).All() {
		times = append(times, r.Timestamp)
	}
	require.Equal(t, []int64{1000, 77, 2000, d.Now().UnixMilli()}, times)

	var h host
	require.Contains(t, h.try(func() { testdriver.New(&h, topo).Input(lines).From(start, -1) }), "time does not go back")
}
