package runtime

import (
	"net/http/httptest"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/thalweg/thalweg/dsl"
	"github.com/thalweg/thalweg/processor"
	"github.com/thalweg/thalweg/runtime/internal/fetch"
	"github.com/thalweg/thalweg/serde"
	"github.com/thalweg/thalweg/state"
	"github.com/thalweg/thalweg/state/mem"
	"github.com/thalweg/thalweg/topology"
)

// deleteBefore deletes the records of a partition before an offset.
func (r *rig) deleteBefore(topic string, partition int32, offset int64) {
	r.t.Helper()
	req := kmsg.NewPtrDeleteRecordsRequest()
	req.Topics = []kmsg.DeleteRecordsRequestTopic{{Topic: topic, Partitions: []kmsg.DeleteRecordsRequestTopicPartition{{Partition: partition, Offset: offset}}}}
	resp, err := req.RequestWith(r.t.Context(), r.client)
	require.NoError(r.t, err)
	require.Zero(r.t, resp.Topics[0].Partitions[0].ErrorCode)
}

// forgetOffsets deletes the group, as brokers do in time.
func (r *rig) forgetOffsets(group string) {
	r.t.Helper()
	req := kmsg.NewPtrDeleteGroupsRequest()
	req.Groups = []string{group}
	resp, err := req.RequestWith(r.t.Context(), r.client)
	require.NoError(r.t, err)
	require.Zero(r.t, resp.Groups[0].ErrorCode)
}

// Records that were deleted before they were read are told, counted and shown, or
// refused, as the configuration says, and a reset policy of none.
func TestLostRecords(t *testing.T) {
	for name, c := range map[string]struct {
		set     func(*Config)
		refused bool
		lost    int64 // records, where it goes on
		final   int64 // the last count
	}{
		"earliest": {set: func(*Config) {}, lost: 2, final: 4},
		"latest":   {set: func(c *Config) { c.Reset = topology.ResetLatest }, lost: 3, final: 3},
		"none":     {set: func(c *Config) { c.Reset = topology.ResetNone }, refused: true},
		"refuse":   {set: func(c *Config) { c.RefuseLostRecords = true }, refused: true},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, map[string]int32{"lines": 1, "counts": 1})
			p := r.start(wordCount(t), r.config("app"))
			r.produce("lines", 0, kv{"", "a"}, kv{"", "a"})
			r.committed("counts", 0, func(rs []*kgo.Record) bool { return last(rs)["a"] == 2 })
			require.NoError(t, p.stop())

			read := r.groupOffset("app", "lines", 0)
			r.produce("lines", 0, kv{"", "a"}, kv{"", "a"}, kv{"", "a"})
			r.deleteBefore("lines", 0, read+2)
			cfg := r.config("app")
			c.set(&cfg)
			said := new(logs)
			cfg.Logger = said.logger()
			p = r.start(wordCount(t), cfg)
			if c.refused {
				err := p.wait()
				require.ErrorIs(t, err, fetch.ErrOutOfRange)
				require.ErrorContains(t, err, "topic lines partition 0: records were deleted before they were read: offsets 2 to 3 (2) are lost")
				require.ErrorContains(t, err, "RefuseLostRecords")
				require.Equal(t, read, r.groupOffset("app", "lines", 0))
				return
			}
			lost := strconv.FormatInt(c.lost, 10)
			require.Eventually(t, func() bool { return p.Metrics().Lost["lines"] == c.lost }, 20*time.Second, time.Millisecond)
			require.Equal(t, 1, said.count("level=WARN", "deleted before they were read", "topic=lines", "partition=0", "first=2", "records="+lost))
			w := httptest.NewRecorder()
			p.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
			require.Contains(t, w.Body.String(), `thalweg_lost_total{topic="lines"} `+lost+"\n")
			w = httptest.NewRecorder()
			p.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/readyz", nil))
			require.Contains(t, w.Body.String(), "records of topic lines were deleted before they were read")
			r.produce("lines", 0, kv{"", "a"})
			r.committed("counts", 0, func(rs []*kgo.Record) bool { return last(rs)["a"] == c.final })
			require.NoError(t, p.stop())
		})
	}
}

// A group whose offsets were forgotten would count everything again on top of the
// state that is there.
func TestLostOffsets(t *testing.T) {
	for name, c := range map[string]struct {
		set  func(*Config)
		told bool
	}{
		"refused":       {set: func(*Config) {}},
		"allowed":       {set: func(c *Config) { c.AllowLostOffsets = true }, told: true},
		"at least once": {set: func(c *Config) { c.Guarantee = AtLeastOnce }, told: true},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, map[string]int32{"lines": 1, "out": 1})
			b := dsl.NewBuilder()
			b.Stream(linesTopic).GroupByKey().Count("counts", dsl.Uncached())
			topo, err := b.Build()
			require.NoError(t, err)
			cfg := r.config("app")
			c.set(&cfg)
			p := r.start(topo, cfg)
			r.produce("lines", 0, kv{"k", "a"})
			require.Eventually(t, func() bool { return p.Metrics().RecordsIn == 1 }, 20*time.Second, time.Millisecond)
			require.NoError(t, p.stop())
			r.forgetOffsets("app")

			cfg.State = mem.New() // restored from the changelog
			said := new(logs)
			cfg.Logger = said.logger()
			p = r.start(topo, cfg)
			if !c.told {
				err := p.wait()
				require.ErrorIs(t, err, errLostOffsets)
				require.ErrorContains(t, err, "task 0_0: group app has no offset for partition 0 of lines, and these stores hold rows: counts")
				require.ErrorContains(t, err, "AllowLostOffsets")
				return
			}
			require.Eventually(t, func() bool { return p.Metrics().RecordsIn == 1 }, 20*time.Second, time.Millisecond)
			require.Equal(t, 1, said.count("level=WARN", "committed offsets are gone", "task=0_0", "topics=lines", "stores=counts"))
			require.NoError(t, p.stop())
		})
	}
}

// startedStore has a row before there is any record.
var startedStore = state.KeyValue("started", serde.String, serde.Int64)

type starter struct{}

func (starter) Init(c *processor.Context, _ *processor.Out[string, string]) error {
	s := startedStore.In(c)
	c.Schedule(time.Millisecond, processor.WallClock, func(int64) error { return s.Put("started", 1) })
	return nil
}

func (starter) Process(c *processor.Context, r processor.Record[string, string], out *processor.Out[string, string]) error {
	return out.Forward(r)
}

func (starter) Close() error { return nil }

// State that comes of a schedule before the first record has offsets, too, those
// where its inputs begin: a restart after the first records came is none whose
// offsets are gone.
func TestStateBeforeRecords(t *testing.T) {
	b := dsl.NewBuilder()
	b.Stream(linesTopic).Process("start", func() processor.Processor[string, string, string, string] { return starter{} }, startedStore).To(outTopic)
	topo, err := b.Build()
	require.NoError(t, err)
	r := newRig(t, map[string]int32{"lines": 1, "out": 1})
	cfg := r.config("app")
	cfg.Reset = topology.ResetLatest // which does not skip what came meanwhile
	p := r.start(topo, cfg)
	require.Eventually(t, func() bool { return p.Metrics().Commits > 3 }, 20*time.Second, time.Millisecond)
	require.NoError(t, p.stop())
	require.Zero(t, r.groupOffset("app", "lines", 0))
	r.produce("lines", 0, kv{"k", "first"})
	p = r.start(topo, cfg)
	require.Equal(t, []string{"first"}, values(r.committed("out", 0, count(1))))
	require.NoError(t, p.stop())
}
