package runtime

import (
	"encoding/binary"
	"fmt"
	"maps"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/thalweg/thalweg/dsl"
	"github.com/thalweg/thalweg/serde"
	"github.com/thalweg/thalweg/state"
	"github.com/thalweg/thalweg/state/mem"
	"github.com/thalweg/thalweg/topology"
)

var (
	linesTopic  = topology.NewTopic("lines", serde.String, serde.String)
	outTopic    = topology.NewTopic("out", serde.String, serde.String)
	countsTopic = topology.NewTopic("counts", serde.String, serde.Int64)
)

// upper is a stateless pipeline: drops what begins with "drop", upper-cases the
// rest.
func upper(t *testing.T) *topology.Topology {
	t.Helper()
	b := dsl.NewBuilder()
	b.Stream(linesTopic).
		Filter(func(_, v string) bool { return !strings.HasPrefix(v, "drop") }).
		MapValues(strings.ToUpper).
		To(outTopic)
	topo, err := b.Build()
	require.NoError(t, err)
	return topo
}

// wordCount counts words through a repartition topic.
func wordCount(t *testing.T) *topology.Topology {
	t.Helper()
	b := dsl.NewBuilder()
	b.Stream(linesTopic).
		FlatMapValues(strings.FieldsSeq).
		GroupBy(dsl.Value).
		Count("counts").
		ToStream().
		To(countsTopic)
	topo, err := b.Build()
	require.NoError(t, err)
	return topo
}

func eachGuarantee(t *testing.T, topics map[string]int32, f func(*testing.T, *rig, Guarantee)) {
	for _, g := range []Guarantee{ExactlyOnce, AtLeastOnce} {
		t.Run(g.String(), func(t *testing.T) {
			eachRig(t, topics, func(t *testing.T, r *rig) { f(t, r, g) })
		})
	}
}

func TestStateless(t *testing.T) {
	eachGuarantee(t, map[string]int32{"lines": 3, "out": 1}, func(t *testing.T, r *rig, g Guarantee) {
		cfg := r.config("app")
		cfg.Guarantee = g
		p := r.start(upper(t), cfg)
		want := make(map[string][]string)
		for round := range 3 {
			for part := range int32(3) {
				key := fmt.Sprint("k", part)
				var rs []kv
				for i := range 100 {
					line := fmt.Sprintf("line %d %d", round, i)
					rs = append(rs, kv{key, line}, kv{key, "drop it"})
					want[key] = append(want[key], strings.ToUpper(line))
				}
				r.produce("lines", part, rs...)
			}
		}
		got := make(map[string][]string)
		for _, rec := range r.committed("out", 0, count(900)) {
			got[string(rec.Key)] = append(got[string(rec.Key)], string(rec.Value))
		}
		require.Equal(t, want, got)
		require.NoError(t, p.stop())
	})
}

// TestWordCount counts through a repartition topic and a store with changelog,
// in three runs of the application: the second goes on with the local state of
// the first, the third restores it from the changelog.
func TestWordCount(t *testing.T) {
	eachGuarantee(t, map[string]int32{"lines": 2, "counts": 1}, func(t *testing.T, r *rig, g Guarantee) {
		run := func(state state.Backend, n int) {
			cfg := r.config("app")
			cfg.State, cfg.Guarantee = state, g
			var mu sync.Mutex
			var restored int64
			cfg.OnRestore = func(p RestoreProgress) {
				mu.Lock()
				defer mu.Unlock()
				if p.Done {
					restored += p.Records
				}
			}
			p := r.start(wordCount(t), cfg)
			for i := range 100 {
				r.produce("lines", int32(i%2), kv{"", fmt.Sprintf("all word%d", i%10)})
			}
			want := map[string]int64{"all": int64(n)}
			for i := range 10 {
				want[fmt.Sprint("word", i)] = int64(n / 10)
			}
			r.committed("counts", 0, func(rs []*kgo.Record) bool { return maps.Equal(last(rs), want) })
			require.NoError(t, p.stop())
			if n == 300 {
				require.Positive(t, restored)
			} else {
				require.Zero(t, restored, "local state was not used")
			}
		}
		kept := new(disk)
		run(kept, 100)
		run(kept, 200)
		run(mem.New(), 300)
	})
}

// last is the newest count of each key.
func last(rs []*kgo.Record) map[string]int64 {
	m := make(map[string]int64)
	for _, r := range rs {
		m[string(r.Key)] = int64(binary.BigEndian.Uint64(r.Value))
	}
	return m
}
