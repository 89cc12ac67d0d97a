package dsl_test

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thalweg/thalweg/dsl"
	"github.com/thalweg/thalweg/processor"
	"github.com/thalweg/thalweg/testdriver"
	"github.com/thalweg/thalweg/topology"
	"github.com/thalweg/thalweg/windowing"
)

// Any timestamp that a topic may hold, in any order, with the longest graces
// there are: each record is taken, dropped and counted, or fails with an error
// that says why. Nothing overflows into another window, hangs or panics.
func TestExtremeTimestamps(t *testing.T) {
	times := []int64{0, 1, math.MaxInt32, math.MaxInt64 / 2, math.MaxInt64 - 1, math.MaxInt64, 7, math.MaxInt64 - 3_600_000}
	counted := func(tb dsl.Table[windowing.Windowed[string], int64]) {
		tb.ToStream().ForEach(func(w windowing.Windowed[string], _ int64) {
			if w.Start < 0 || w.End < w.Start {
				panic(fmt.Sprintf("window %v", w))
			}
		})
	}
	programs := map[string]func(s, o dsl.Stream[string, string], grace time.Duration){
		"tumbling": func(s, _ dsl.Stream[string, string], g time.Duration) {
			counted(s.GroupByKey().WindowedBy(windowing.Tumbling(time.Hour).WithGrace(g)).Count("n"))
		},
		"hopping": func(s, _ dsl.Stream[string, string], g time.Duration) {
			counted(s.GroupByKey().WindowedBy(windowing.Hopping(time.Hour, 7*time.Minute).WithGrace(g)).Count("n"))
		},
		"closing": func(s, _ dsl.Stream[string, string], g time.Duration) {
			counted(s.GroupByKey().WindowedBy(windowing.Tumbling(time.Hour).WithGrace(g)).EmitOnClose().Count("n"))
		},
		"sliding": func(s, _ dsl.Stream[string, string], g time.Duration) {
			counted(s.GroupByKey().SlidingBy(windowing.SlidingOf(time.Hour).WithGrace(g)).Count("n"))
		},
		"sessions": func(s, _ dsl.Stream[string, string], g time.Duration) {
			counted(s.GroupByKey().SessionBy(windowing.Sessions(time.Hour).WithGrace(g)).Count("n"))
		},
		"final": func(s, _ dsl.Stream[string, string], g time.Duration) {
			counted(dsl.FinalOnly(s.GroupByKey().WindowedBy(windowing.Tumbling(time.Hour).WithGrace(g)).Count("n")))
		},
		"unlimited": func(s, _ dsl.Stream[string, string], _ time.Duration) {
			counted(s.GroupByKey().WindowedBy(windowing.Unlimited()).Count("n"))
		},
		"outer join": func(s, o dsl.Stream[string, string], g time.Duration) {
			s.OuterJoin("j", o, windowing.Within(time.Hour).WithGrace(g), func(l, r dsl.Maybe[string]) string { return l.Value + r.Value }).
				ForEach(func(string, string) {})
		},
		"expiring": func(s, _ dsl.Stream[string, string], _ time.Duration) {
			s.GroupByKey().Count("n", dsl.ExpireAfter(time.Hour))
		},
	}
	for name, program := range programs {
		for _, grace := range []time.Duration{0, time.Minute, math.MaxInt64} {
			t.Run(fmt.Sprint(name, " ", grace), func(t *testing.T) {
				right := words
				right.Name = "right"
				b := dsl.NewBuilder()
				program(b.Stream(words), b.Stream(right), grace)
				topo, err := b.Build()
				if err != nil {
					require.ErrorContains(t, err, "dsl: ")
					return
				}
				d := testdriver.New(t, topo)
				for i, ts := range times {
					in := d.Input(words)
					if i%3 == 2 && name == "outer join" {
						in = d.Input(right)
					}
					in.SendRecord(processor.Record[string, string]{Key: "k", Value: "v", Timestamp: ts})
				}
			})
		}
	}
}

// A negative timestamp, as producers without a clock write it, is a failure
// that names the way out, or what the topic says.
func TestNegativeTimestamps(t *testing.T) {
	for _, ts := range []int64{-1, math.MinInt64} {
		for _, c := range []struct {
			topic topology.Topic[string, string]
			fails bool
		}{
			{words, true},
			{words.OnInvalidTime(topology.SkipInvalidTime), false},
		} {
			b := dsl.NewBuilder()
			b.Stream(c.topic).To(shouts)
			var said string
			d := testdriver.New(t, build(t, b), testdriver.OnFailure(func(_ *processor.Context, f *processor.Failure) processor.Action {
				said = f.Error()
				return processor.Skip
			}))
			d.SendRaw(processor.RawRecord{Topic: "words", Partition: -1, Key: []byte("k"), Value: []byte("v"), Timestamp: ts})
			if c.fails {
				require.Contains(t, said, fmt.Sprintf("timestamp %d is negative: see Topic.OnInvalidTime", ts))
			} else {
				require.Empty(t, said)
				require.Equal(t, int64(1), d.Dropped()[processor.DropTime])
			}
			require.True(t, d.Output(shouts).Empty())
		}
	}
}
