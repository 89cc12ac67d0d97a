package runtime

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/thalweg/thalweg/dsl"
	"github.com/thalweg/thalweg/topology"
	"github.com/thalweg/thalweg/windowing"
)

// ofEachPolicy is a topology with a window, a versioned store and a table.
func ofEachPolicy(t *testing.T) *topology.Topology {
	t.Helper()
	b := dsl.NewBuilder()
	lines := b.Stream(linesTopic)
	lines.GroupByKey().WindowedBy(windowing.Tumbling(time.Hour)).Count("windows")
	lines.ToTable("versions", dsl.Versioned(time.Hour))
	lines.ToTable("table", dsl.LogConfig(map[string]string{"cleanup.policy": "compact,delete", "retention.ms": "5000"}))
	topo, err := b.Build()
	require.NoError(t, err)
	return topo
}

// Whoever made a topic that loses state is told, at each start, of the setting and
// what to do; of the topics that the application makes itself there is nothing to
// say.
func TestSettingsThatLoseState(t *testing.T) {
	r := newRig(t, map[string]int32{"lines": 1})
	create := func(topic string, settings ...string) {
		req := kmsg.NewPtrCreateTopicsRequest()
		rt := kmsg.NewCreateTopicsRequestTopic()
		rt.Topic, rt.NumPartitions, rt.ReplicationFactor = topic, 1, 1
		for i := 0; i < len(settings); i += 2 {
			c := kmsg.NewCreateTopicsRequestTopicConfig()
			c.Name, c.Value = settings[i], &settings[i+1]
			rt.Configs = append(rt.Configs, c)
		}
		req.Topics = append(req.Topics, rt)
		resp, err := req.RequestWith(t.Context(), r.client)
		require.NoError(t, err)
		require.Zero(t, resp.Topics[0].ErrorCode)
	}
	// As Kafka Streams makes them.
	create("java-windows-changelog", "cleanup.policy", "compact,delete", "retention.ms", "90000000")
	create("java-versions-changelog", "cleanup.policy", "compact", "min.compaction.lag.ms", "90000000")
	for id, want := range map[string][][]string{
		"java": {
			{"java-windows-changelog", "retention.ms", "90000000", "set it to -1"},
			{"java-versions-changelog", "cleanup.policy", "compact", "set it to delete"},
			{"java-table-changelog", "retention.ms", "5000", "set it to -1"},
		},
		"ours": {{"ours-table-changelog", "retention.ms", "5000"}},
	} {
		cfg := r.config(id)
		said := new(logs)
		cfg.Logger = said.logger()
		p := r.start(ofEachPolicy(t), cfg)
		r.produce("lines", 0, kv{"a", "1"})
		require.Eventually(t, func() bool { return p.Metrics().RecordsIn > 0 }, 20*time.Second, time.Millisecond)
		require.NoError(t, p.stop())
		for _, words := range want {
			require.Equal(t, 1, said.count(append(words, "level=WARN", "lets the brokers delete state")...), "%v", words)
		}
		require.Equal(t, len(want), said.count("lets the brokers delete state"))
	}
}

// A changelog that may not be shortened is no reason to stop: it grows, and the
// log says once what to change.
func TestPurgeRefused(t *testing.T) {
	b := dsl.NewBuilder()
	b.Stream(linesTopic).GroupByKey().WindowedBy(windowing.Tumbling(time.Hour)).
		Count("windows", dsl.Uncached(), dsl.LogConfig(map[string]string{"cleanup.policy": "compact"}))
	topo, err := b.Build()
	require.NoError(t, err)
	r := newRig(t, map[string]int32{"lines": 1})
	p := r.start(topo, r.config("app"))
	for i := range 5 {
		at := time.UnixMilli(0).Add(time.Duration(i) * 3 * time.Hour)
		require.NoError(t, r.client.ProduceSync(t.Context(), &kgo.Record{Topic: "lines", Key: []byte("a"), Value: []byte("1"), Timestamp: at}).FirstErr())
		require.Eventually(t, func() bool { return p.Metrics().Commits == int64(i+1) }, 20*time.Second, time.Millisecond)
	}
	require.Eventually(t, func() bool {
		err = p.purger.purge(t.Context(), r.client)
		return err != nil
	}, 20*time.Second, time.Millisecond)
	require.ErrorContains(t, err, "topic app-windows-changelog: POLICY_VIOLATION")
	require.ErrorContains(t, err, "add delete to its cleanup.policy")
	require.NoError(t, p.purger.purge(t.Context(), r.client), "it was said")
	require.NoError(t, p.stop())
}
