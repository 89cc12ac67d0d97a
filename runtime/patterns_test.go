package runtime

import (
	"encoding/binary"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/thalweg/thalweg/dsl"
	"github.com/thalweg/thalweg/processor"
	"github.com/thalweg/thalweg/serde"
	"github.com/thalweg/thalweg/state/mem"
	"github.com/thalweg/thalweg/topology"
)

func (r *rig) createTopic(name string, partitions int32) {
	r.t.Helper()
	req := kmsg.NewPtrCreateTopicsRequest()
	rt := kmsg.NewCreateTopicsRequestTopic()
	rt.Topic, rt.NumPartitions, rt.ReplicationFactor = name, partitions, 1
	req.Topics = append(req.Topics, rt)
	resp, err := req.RequestWith(r.t.Context(), r.client)
	require.NoError(r.t, err)
	require.Zero(r.t, resp.Topics[0].ErrorCode)
}

var ordersPattern = topology.NewPattern("orders-.*", serde.String, serde.String)

// sourced passes on where each record comes from.
func sourced(t *testing.T) *topology.Topology {
	t.Helper()
	b := dsl.NewBuilder()
	b.StreamMatching(ordersPattern).
		TryMapValues(func(c *processor.Context, r processor.Record[string, string]) (string, error) {
			return c.Topic() + " " + r.Value, nil
		}).
		To(outTopic)
	topo, err := b.Build()
	require.NoError(t, err)
	return topo
}

func values(rs []*kgo.Record) (vs []string) {
	for _, r := range rs {
		vs = append(vs, string(r.Value))
	}
	return vs
}

// Topics that appear while two processes run are read, and their partitions
// become tasks; a topic that matches no pattern is left alone.
func TestTopicsThatAppearLater(t *testing.T) {
	eachRig(t, map[string]int32{"old-orders": 1, "out": 1}, func(t *testing.T, r *rig) {
		topo := sourced(t)
		var ps []*process
		for range 2 {
			cfg := r.config("app")
			cfg.MetadataInterval = 30 * time.Millisecond
			ps = append(ps, r.start(topo, cfg))
		}
		tasks := func() (n int) {
			for _, p := range ps {
				for _, tm := range p.Metrics().Tasks {
					if tm.Running {
						n++
					}
				}
			}
			return n
		}
		r.produce("old-orders", 0, kv{"k", "0"})
		require.Eventually(t, func() bool { return ps[0].State() == Running && ps[1].State() == Running }, 20*time.Second, 5*time.Millisecond)

		r.createTopic("orders-eu", 1)
		r.produce("orders-eu", 0, kv{"k", "1"})
		require.Equal(t, []string{"orders-eu 1"}, values(r.committed("out", 0, count(1))))
		require.Eventually(t, func() bool { return tasks() == 1 }, 20*time.Second, 5*time.Millisecond)

		r.createTopic("orders-us", 3)
		for p := range int32(3) {
			r.produce("orders-us", p, kv{"k", "2"})
		}
		r.committed("out", 0, count(4))
		require.Eventually(t, func() bool { return tasks() == 3 }, 20*time.Second, 5*time.Millisecond)
		r.produce("orders-eu", 0, kv{"k", "3"})
		got := values(r.committed("out", 0, count(5)))
		require.ElementsMatch(t, []string{"orders-eu 1", "orders-us 2", "orders-us 2", "orders-us 2", "orders-eu 3"}, got)
	})
}

// A task that gets one more input keeps its state and its place in the others.
func TestStateOverTopicsThatAppearLater(t *testing.T) {
	eachGuarantee(t, map[string]int32{"orders-eu": 2, "counts": 1}, func(t *testing.T, r *rig, g Guarantee) {
		b := dsl.NewBuilder()
		b.StreamMatching(ordersPattern).GroupByKey().Count("counts").ToStream().To(countsTopic)
		topo, err := b.Build()
		require.NoError(t, err)
		cfg := r.config("app")
		cfg.Guarantee, cfg.MetadataInterval = g, 30*time.Millisecond
		p := r.start(topo, cfg)
		last := func(want int64) {
			t.Helper()
			r.committed("counts", 0, func(rs []*kgo.Record) bool {
				return len(rs) > 0 && int64(binary.BigEndian.Uint64(rs[len(rs)-1].Value)) == want
			})
		}
		r.produce("orders-eu", 1, kv{"k", "a"}, kv{"k", "b"})
		last(2)
		r.createTopic("orders-us", 2)
		r.produce("orders-us", 1, kv{"k", "c"})
		last(3)
		r.produce("orders-eu", 1, kv{"k", "d"})
		last(4)
		require.NoError(t, p.stop())

		// The next process finds both topics at the start, and all of the state.
		cfg.State = mem.New()
		r.start(topo, cfg)
		r.produce("orders-us", 1, kv{"k", "e"})
		last(5)
	})
}

// What cannot be planned is told, by the process that finds it.
func TestTopicThatMatchesTwoPatterns(t *testing.T) {
	r := newRig(t, map[string]int32{"orders-eu": 1, "out": 1})
	b := dsl.NewBuilder()
	b.StreamMatching(ordersPattern).To(outTopic)
	b.StreamMatching(topology.NewPattern(".*-special", serde.String, serde.String)).To(outTopic, dsl.Named("special"))
	topo, err := b.Build()
	require.NoError(t, err)
	cfg := r.config("app")
	cfg.MetadataInterval = 30 * time.Millisecond
	p := r.start(topo, cfg)
	r.produce("orders-eu", 0, kv{"k", "1"})
	r.committed("out", 0, count(1))
	r.createTopic("orders-special", 1)
	require.ErrorContains(t, p.wait(), `topic "orders-special" matches pattern "orders-.*" of source "/orders-.*/" and pattern ".*-special"`)
}

// State is kept for as many partitions as there were: a topic with more of them
// stops the application, with an error that says what does not fit.
func TestLaterTopicWithMorePartitions(t *testing.T) {
	r := newRig(t, map[string]int32{"orders-eu": 2, "counts": 1})
	b := dsl.NewBuilder()
	b.StreamMatching(ordersPattern).GroupByKey().Count("counts").ToStream().To(countsTopic)
	topo, err := b.Build()
	require.NoError(t, err)
	cfg := r.config("app")
	cfg.MetadataInterval = 30 * time.Millisecond
	p := r.start(topo, cfg)
	r.produce("orders-eu", 1, kv{"k", "a"})
	r.committed("counts", 0, count(1))
	r.createTopic("orders-us", 3)
	require.ErrorContains(t, p.wait(), "internal topic app-counts-changelog has 2 partitions and needs 3")
	require.Equal(t, int64(1), r.groupOffset("app", "orders-eu", 1))
	require.Empty(t, r.openTransactions())
}
