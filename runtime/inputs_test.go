package runtime

import (
	"bytes"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/thalweg/thalweg/dsl"
	"github.com/thalweg/thalweg/runtime/internal/assign"
	"github.com/thalweg/thalweg/serde"
	"github.com/thalweg/thalweg/topology"
)

// addPartitions lets a topic have n partitions, and the rig's client know them.
func (r *rig) addPartitions(topic string, n int32) {
	r.t.Helper()
	req := kmsg.NewPtrCreatePartitionsRequest()
	rt := kmsg.NewCreatePartitionsRequestTopic()
	rt.Topic, rt.Count = topic, n
	req.Topics = append(req.Topics, rt)
	resp, err := req.RequestWith(r.t.Context(), r.client)
	require.NoError(r.t, err)
	require.Zero(r.t, resp.Topics[0].ErrorCode)
	r.connect()
}

func (r *rig) deleteTopic(name string) {
	r.t.Helper()
	req := kmsg.NewPtrDeleteTopicsRequest()
	req.TopicNames = []string{name}
	dt := kmsg.NewDeleteTopicsRequestTopic()
	dt.Topic = kmsg.StringPtr(name)
	req.Topics = append(req.Topics, dt)
	resp, err := req.RequestWith(r.t.Context(), r.client)
	require.NoError(r.t, err)
	require.Zero(r.t, resp.Topics[0].ErrorCode)
	r.connect()
}

// logs keeps what is logged.
type logs struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logs) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logs) has(parts ...string) bool { return l.count(parts...) > 0 }

// count is the number of lines that have all of the parts.
func (l *logs) count(parts ...string) (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for line := range bytes.Lines(l.buf.Bytes()) {
		if !slices.ContainsFunc(parts, func(p string) bool { return !bytes.Contains(line, []byte(p)) }) {
			n++
		}
	}
	return n
}

func (l *logs) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

// sendEach produces one record to each partition and returns their values, which
// upper leaves as they are.
func (r *rig) sendEach(topic string, partitions int32, round int) (want []string) {
	r.t.Helper()
	for p := range partitions {
		v := fmt.Sprintf("%s %d, ROUND %d", strings.ToUpper(topic), p, round)
		r.produce(topic, p, kv{"k", v})
		want = append(want, v)
	}
	return want
}

// Partitions that are added to a source while the application runs become
// tasks, whoever leads the group: the leader looks for them now and then, or
// when a process joins.
func TestAddedPartitions(t *testing.T) {
	passOn := func(t *testing.T, source *topology.Topic[string, string]) *topology.Topology {
		b := dsl.NewBuilder()
		if source != nil {
			b.Stream(*source).To(outTopic)
		} else {
			b.StreamMatching(topology.NewPattern("line.*", serde.String, serde.String)).To(outTopic)
		}
		topo, err := b.Build()
		require.NoError(t, err)
		return topo
	}
	for _, tc := range []struct {
		name     string
		source   *topology.Topic[string, string] // nil: a pattern
		interval time.Duration
		joins    bool // another process, afterwards
	}{
		{"named", &linesTopic, 30 * time.Millisecond, false},
		{"pattern", nil, 30 * time.Millisecond, false},
		{"when a process joins", &linesTopic, time.Hour, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			eachRig(t, map[string]int32{"lines": 2, "out": 1}, func(t *testing.T, r *rig) {
				topo, cfg := passOn(t, tc.source), r.config("app")
				cfg.MetadataInterval = tc.interval
				r.start(topo, cfg)
				cfg.State = nil
				r.start(topo, cfg)
				want := r.sendEach("lines", 2, 1)
				r.committed("out", 0, count(2))
				r.addPartitions("lines", 5)
				if tc.joins {
					r.start(topo, cfg)
				}
				want = append(want, r.sendEach("lines", 5, 2)...)
				require.ElementsMatch(t, want, values(r.committed("out", 0, count(7))))
			})
		})
	}
}

// State is kept in the partition that a key was hashed to: a source that gets
// more of them ends the application, with an error that names the topic, both
// counts and the way out; what was done is committed.
func TestAddedPartitionsDoNotFitState(t *testing.T) {
	for name, topo := range map[string]*topology.Topology{
		"app-counts-changelog":   counting(t),
		"app-counts-repartition": wordCount(t),
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, map[string]int32{"lines": 2, "counts": 1})
			cfg := r.config("app")
			cfg.MetadataInterval = 30 * time.Millisecond
			p := r.start(topo, cfg)
			r.produce("lines", 1, kv{"k", "a"})
			r.committed("counts", 0, count(1))
			r.addPartitions("lines", 3)
			err := p.wait()
			var wrong *PartitionsError
			require.ErrorAs(t, err, &wrong)
			require.Equal(t, PartitionsError{Topic: wrong.Topic, Has: 2, Needs: 3, Inputs: wrong.Inputs}, *wrong)
			require.ErrorContains(t, err, "internal topic "+name+" has 2 partitions and needs 3 (its inputs: lines has 3): ")
			require.ErrorContains(t, err, "thalweg app reset")
			require.Equal(t, int64(1), r.groupOffset("app", "lines", 1))
			require.Empty(t, r.openTransactions())

			err = r.start(topo, cfg).wait() // nor does it start
			require.ErrorAs(t, err, &wrong)
		})
	}
}

func counting(t *testing.T) *topology.Topology {
	t.Helper()
	b := dsl.NewBuilder()
	b.Stream(linesTopic).GroupByKey().Count("counts").ToStream().To(countsTopic)
	topo, err := b.Build()
	require.NoError(t, err)
	return topo
}

// A global table is read by each process as a whole, what is added included.
func TestAddedPartitionsOfGlobalTable(t *testing.T) {
	r := newRig(t, map[string]int32{"lines": 1, "names": 1, "out": 1})
	b := dsl.NewBuilder()
	names := b.GlobalTable(topology.NewTopic("names", serde.String, serde.String), "names")
	b.Stream(linesTopic).
		JoinGlobal(names, func(k, _ string) string { return k }, func(v, n string) string { return v + " " + n }).
		To(outTopic)
	topo, err := b.Build()
	require.NoError(t, err)
	cfg := r.config("app")
	cfg.MetadataInterval = 30 * time.Millisecond
	var ps []*process
	for range 2 {
		cfg.State = new(disk)
		ps = append(ps, r.start(topo, cfg))
	}
	for _, p := range ps {
		require.Eventually(t, func() bool { return p.State() == Running }, 20*time.Second, 5*time.Millisecond)
	}
	r.addPartitions("names", 3)
	r.produce("names", 2, kv{"a", "Ada"})
	for _, p := range ps {
		require.Eventually(t, func() bool {
			view, ok, err := p.db.View(p.db.Engine(), "names", 0)
			if err != nil || !ok {
				return false
			}
			rows := view.Scan(nil, nil, false)
			defer rows.Close()
			return rows.Next()
		}, 20*time.Second, 5*time.Millisecond)
	}
	r.produce("lines", 0, kv{"a", "hello"})
	require.Equal(t, []string{"hello Ada"}, values(r.committed("out", 0, count(1))))
}

// A source topic that is deleted is told, and when it is made again, with fewer
// or more partitions, it is read.
func TestSourceMadeAnew(t *testing.T) {
	for _, partitions := range []int32{1, 2, 4} {
		t.Run(fmt.Sprint(partitions), func(t *testing.T) {
			r := newRig(t, map[string]int32{"lines": 2, "out": 1})
			told := new(logs)
			cfg := r.config("app")
			cfg.MetadataInterval, cfg.Logger = 30*time.Millisecond, told.logger()
			p := r.start(upper(t), cfg)
			want := r.sendEach("lines", 2, 1)
			r.committed("out", 0, count(2))
			require.Eventually(t, func() bool { return r.groupOffset("app", "lines", 0)+r.groupOffset("app", "lines", 1) == 2 }, 20*time.Second, 5*time.Millisecond)

			r.deleteTopic("lines")
			require.Eventually(t, func() bool { return told.has("level=WARN", "source topic does not exist any more", "topic=lines") }, 20*time.Second, 5*time.Millisecond)
			require.Equal(t, Running, p.State())
			r.createTopic("lines", partitions)
			require.Eventually(t, func() bool {
				return told.has("level=WARN", "source topic was deleted and created again", "topic=lines", fmt.Sprint("partitions=", partitions), "before=2")
			}, 20*time.Second, 5*time.Millisecond)
			r.connect()
			want = append(want, r.sendEach("lines", partitions, 2)...)
			require.ElementsMatch(t, want, values(r.committed("out", 0, count(len(want)))))
			require.NoError(t, p.stop())
		})
	}
}

func TestReconcile(t *testing.T) {
	topic := func(name string, partitions int32, id byte) assign.Topic {
		return assign.Topic{Name: name, Partitions: partitions, ID: [16]byte{id}}
	}
	known := []assign.Topic{topic("a", 4, 1), topic("b", 2, 2), topic("p", 1, 3)}
	for name, tc := range map[string]struct {
		answered, want []assign.Topic
		gone           []string
	}{
		"the same":                {known, known, nil},
		"more partitions":         {[]assign.Topic{topic("a", 6, 1), topic("b", 2, 2)}, []assign.Topic{topic("a", 6, 1), topic("b", 2, 2)}, nil},
		"metadata that is behind": {[]assign.Topic{topic("a", 2, 1), topic("b", 2, 2)}, []assign.Topic{topic("a", 4, 1), topic("b", 2, 2)}, nil},
		"made anew, smaller":      {[]assign.Topic{topic("b", 1, 9), topic("a", 4, 1)}, []assign.Topic{topic("a", 4, 1), topic("b", 1, 9)}, nil},
		"one that is named gone":  {[]assign.Topic{topic("a", 4, 1), topic("p", 1, 3)}, known, []string{"b"}},
		"another appears":         {[]assign.Topic{topic("a", 4, 1), topic("b", 2, 2), topic("q", 3, 4)}, []assign.Topic{topic("a", 4, 1), topic("b", 2, 2), topic("q", 3, 4)}, nil},
		"brokers without ids":     {[]assign.Topic{topic("a", 2, 0), topic("b", 2, 2)}, []assign.Topic{topic("a", 2, 0), topic("b", 2, 2)}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			now, gone := reconcile(known, tc.answered, []string{"a", "b"})
			require.Equal(t, tc.want, now)
			require.Equal(t, tc.gone, gone)
		})
	}
	now, gone := reconcile(nil, nil, []string{"b", "a"})
	require.Empty(t, now)
	require.Equal(t, []string{"a", "b"}, gone)
}

// connect gives the rig a client that knows the topics as they are.
func (r *rig) connect() {
	r.t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(r.addrs...), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.AlwaysRetryEOF())
	require.NoError(r.t, err)
	r.t.Cleanup(client.Close)
	r.client = client
}
