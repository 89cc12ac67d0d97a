package task_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thalweg/thalweg/dsl"
	"github.com/thalweg/thalweg/internal/task"
	"github.com/thalweg/thalweg/processor"
	"github.com/thalweg/thalweg/serde"
	"github.com/thalweg/thalweg/state"
	"github.com/thalweg/thalweg/state/mem"
	"github.com/thalweg/thalweg/topology"
)

var (
	in    = topology.NewTopic("in", serde.String, serde.Int64)
	other = topology.NewTopic("other", serde.String, serde.Int64)
	out   = topology.NewTopic("out", serde.String, serde.Int64)
)

// sent is a record that a task sent, as text.
type collector struct {
	sent []string
	fail error
}

func (c *collector) Send(topic string, _ int32, key, value []byte, ts int64, h processor.Headers) error {
	if c.fail != nil {
		return c.fail
	}
	c.sent = append(c.sent, fmt.Sprintf("%s %s=%x@%d %d headers", topic, key, value, ts, len(h)))
	return nil
}

func (c *collector) PartitionsOf(string) (int32, error) { return 1, nil }

// list is a batch of records.
type list struct {
	records  []task.Record
	next     int
	released bool
}

func (l *list) Next(r *task.Record) (bool, error) {
	if l.next == len(l.records) {
		return false, nil
	}
	*r = l.records[l.next]
	l.next++
	return true, nil
}

func (l *list) End() int64 { return l.records[len(l.records)-1].Offset + 1 }
func (l *list) Release()   { l.released = true }

func rec(offset, ts int64, key string, value int64) task.Record {
	v, err := serde.Int64.Append(nil, value)
	if err != nil {
		panic(err)
	}
	return task.Record{Offset: offset, Timestamp: ts, Key: []byte(key), Value: v}
}

func build(t testing.TB, f func(b *dsl.Builder)) *topology.Topology {
	b := dsl.NewBuilder()
	f(b)
	topo, err := b.Build()
	require.NoError(t, err)
	return topo
}

func newTask(t testing.TB, topo *topology.Topology, c processor.Collector, change func(*task.Config)) *task.Task {
	db, err := state.Open(mem.New(), state.Options{})
	require.NoError(t, err)
	cfg := task.Config{Topology: topo, ApplicationID: "app", ID: "0_0", State: db.NewTxn(), Collector: c, Cache: state.NewCache(1 << 20)}
	if change != nil {
		change(&cfg)
	}
	tk, err := task.New(cfg)
	require.NoError(t, err)
	require.NoError(t, tk.Init(0))
	t.Cleanup(func() {
		require.NoError(t, tk.Close())
		require.NoError(t, db.Close())
	})
	return tk
}

func copying(b *dsl.Builder) { b.Stream(in).Merge(b.Stream(other)).To(out) }

func drain(t testing.TB, tk *task.Task) {
	for {
		more, err := tk.Process(0)
		require.NoError(t, err)
		if !more {
			return
		}
	}
}

func TestRecordsComeByTime(t *testing.T) {
	c := &collector{}
	tk := newTask(t, build(t, copying), c, nil)
	require.NoError(t, tk.Enqueue("in", &list{records: []task.Record{rec(0, 5, "a", 1), rec(1, 1, "b", 2), rec(2, 9, "c", 3)}}, 0))
	require.NoError(t, tk.Enqueue("other", &list{records: []task.Record{rec(0, 4, "x", 1), rec(1, 6, "y", 2)}}, 0))
	drain(t, tk)
	keys := ""
	for _, s := range c.sent {
		keys += strings.Fields(s)[1][:1]
	}
	require.Equal(t, "xabyc", keys) // b waits behind a
	require.Equal(t, int64(9), tk.Context().StreamTime())
	require.Error(t, tk.Enqueue("nowhere", &list{}, 0))
}

func TestOffsets(t *testing.T) {
	c := &collector{}
	tk := newTask(t, build(t, copying), c, nil)
	batch := &list{records: []task.Record{rec(7, 5, "a", 1), rec(9, 1, "b", 2)}}
	require.NoError(t, tk.Enqueue("in", batch, 0))
	require.Empty(t, tk.Offsets(nil))
	require.False(t, tk.NeedsCommit())

	_, err := tk.Process(0)
	require.NoError(t, err)
	require.True(t, tk.NeedsCommit())
	got := tk.Offsets(nil)
	require.Len(t, got, 1)
	require.Equal(t, int64(8), got[0].Offset)
	m, err := task.DecodeMetadata(got[0].Metadata)
	require.NoError(t, err)
	require.Equal(t, int64(5), m.PartitionTime)
	require.False(t, batch.released)

	drain(t, tk)
	require.True(t, batch.released)
	require.Equal(t, int64(10), tk.Offsets(nil)[0].Offset)
	tk.Done()
	require.Empty(t, tk.Offsets(nil))
	require.False(t, tk.NeedsCommit())
}

func TestResume(t *testing.T) {
	tk := newTask(t, build(t, func(b *dsl.Builder) {
		b.Stream(in.OnInvalidTime(topology.PartitionTimeForInvalid)).To(out)
	}), &collector{}, nil)
	tk.Resume("in", 40, task.Metadata{PartitionTime: 99})
	require.Equal(t, int64(99), tk.Context().StreamTime())
	require.NoError(t, tk.Enqueue("in", &list{records: []task.Record{rec(40, -1, "a", 1)}}, 0))
	drain(t, tk)
	m, err := task.DecodeMetadata(tk.Offsets(nil)[0].Metadata)
	require.NoError(t, err)
	require.Equal(t, int64(99), m.PartitionTime)
}

func TestIdle(t *testing.T) {
	behind := false
	tk := newTask(t, build(t, copying), &collector{}, func(c *task.Config) {
		c.MaxIdle = 100 * time.Millisecond
		c.CaughtUp = func(string, int32) bool { return !behind }
	})
	require.NoError(t, tk.Enqueue("in", &list{records: []task.Record{rec(0, 5, "a", 1), rec(1, 6, "b", 1)}}, 0))
	require.False(t, tk.Ready(1000), "the other input is empty")
	at, ok := tk.Wake()
	require.True(t, ok)
	require.Equal(t, int64(1100), at)
	require.False(t, tk.Ready(1099))
	behind = true
	require.False(t, tk.Ready(1100), "there is more to fetch")
	behind = false
	require.False(t, tk.Ready(1100), "the wait begins anew")
	require.True(t, tk.Ready(1200))
	require.NoError(t, tk.Enqueue("other", &list{records: []task.Record{rec(0, 7, "x", 1)}}, 0))
	require.True(t, tk.Ready(1201))
	drain(t, tk)
	require.False(t, tk.Ready(5000), "nothing is buffered")
}

func TestUndecodableRecords(t *testing.T) {
	bad := task.Record{Offset: 0, Timestamp: 3, Key: []byte("k"), Value: []byte("short"), Headers: processor.Headers{{Key: "h"}}}
	good := rec(1, 4, "a", 1)
	for _, c := range []struct {
		action processor.Action
		sent   []string
		fails  bool
	}{
		{processor.Skip, []string{"out a=0000000000000001@4 0 headers"}, false},
		{processor.DeadLetter, []string{"dead k=73686f7274@3 7 headers", "out a=0000000000000001@4 0 headers"}, false},
		{processor.Fail, nil, true},
		{processor.Retry, nil, true},
	} {
		t.Run(c.action.String(), func(t *testing.T) {
			col := &collector{}
			tk := newTask(t, build(t, copying), col, func(cfg *task.Config) {
				cfg.OnFailure = func(_ *processor.Context, f *processor.Failure) processor.Action {
					require.Equal(t, processor.StageDecode, f.Stage)
					require.Equal(t, "in", f.Topic)
					return c.action
				}
				cfg.DeadLetters = "dead"
			})
			err := tk.Enqueue("in", &list{records: []task.Record{bad, good}}, 0)
			if c.fails {
				require.Error(t, err)
				retry := (*processor.RetryError)(nil)
				require.Equal(t, c.action == processor.Retry, errors.As(err, &retry))
				return
			}
			require.NoError(t, err)
			require.True(t, tk.NeedsCommit(), "the skipped record is to be committed")
			drain(t, tk)
			require.Equal(t, c.sent, col.sent)
			require.Equal(t, map[string]int64{processor.DropFailed: 1}, tk.Dropped())
			require.Equal(t, int64(2), tk.Offsets(nil)[0].Offset)
		})
	}
}

func TestDeadLetterWithoutTopic(t *testing.T) {
	tk := newTask(t, build(t, copying), &collector{}, func(cfg *task.Config) {
		cfg.OnFailure = func(*processor.Context, *processor.Failure) processor.Action { return processor.DeadLetter }
	})
	err := tk.Enqueue("in", &list{records: []task.Record{{Value: []byte("x")}}}, 0)
	require.ErrorContains(t, err, "no dead-letter topic")
}

// A failure of the framework reaches the task through user code that ignores
// it.
func TestSwallowedProducerError(t *testing.T) {
	c := &collector{}
	broken := errors.New("fenced")
	asked := false
	topo := build(t, func(b *dsl.Builder) {
		b.Stream(in).
			ProcessFunc("ignores", func(_ *processor.Context, r processor.Record[string, int64], out *processor.Out[string, int64]) error {
				_ = out.Forward(r)
				return nil
			}).
			To(out)
	})
	tk := newTask(t, topo, c, func(cfg *task.Config) {
		cfg.OnFailure = func(*processor.Context, *processor.Failure) processor.Action { asked = true; return processor.Skip }
	})
	require.NoError(t, tk.Enqueue("in", &list{records: []task.Record{rec(0, 1, "a", 1)}}, 0))
	c.fail = broken
	_, err := tk.Process(0)
	require.ErrorIs(t, err, broken)
	require.False(t, asked, "the handler does not decide about the framework's errors")
	require.Empty(t, tk.Offsets(nil))
}

func TestCloseReleasesBatches(t *testing.T) {
	db, err := state.Open(mem.New(), state.Options{})
	require.NoError(t, err)
	defer db.Close()
	tk, err := task.New(task.Config{Topology: build(t, copying), State: db.NewTxn(), Collector: &collector{}})
	require.NoError(t, err)
	require.NoError(t, tk.Init(0))
	first, second := &list{records: []task.Record{rec(0, 1, "a", 1)}}, &list{records: []task.Record{rec(1, 1, "a", 1)}}
	require.NoError(t, tk.Enqueue("in", first, 0))
	require.NoError(t, tk.Enqueue("in", second, 0))
	require.NoError(t, tk.Close())
	require.True(t, first.released)
	require.True(t, second.released)
}
