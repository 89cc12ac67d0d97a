package runtime

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http/httptest"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/thalweg/thalweg/dsl"
	"github.com/thalweg/thalweg/processor"
	"github.com/thalweg/thalweg/runtime/internal/commit"
	"github.com/thalweg/thalweg/serde"
	"github.com/thalweg/thalweg/state"
	"github.com/thalweg/thalweg/state/mem"
	"github.com/thalweg/thalweg/topology"
)

// groupOffset reads the group's committed offset, refusing undecided ones.
func (r *rig) groupOffset(group, topic string, partition int32) int64 {
	r.t.Helper()
	req := kmsg.NewPtrOffsetFetchRequest()
	req.RequireStable = true
	g := kmsg.NewOffsetFetchRequestGroup()
	g.Group = group
	gt := kmsg.NewOffsetFetchRequestGroupTopic()
	gt.Topic, gt.Partitions = topic, []int32{partition}
	g.Topics = append(g.Topics, gt)
	req.Groups = append(req.Groups, g)
	resp, err := req.RequestWith(r.t.Context(), r.client)
	require.NoError(r.t, err)
	p := resp.Groups[0].Topics[0].Partitions[0]
	require.Zero(r.t, p.ErrorCode, "offset is part of an open transaction")
	return p.Offset
}

// openTransactions lists the transactions that have not ended.
func (r *rig) openTransactions() (open []string) {
	r.t.Helper()
	resp, err := kmsg.NewPtrListTransactionsRequest().RequestWith(r.t.Context(), r.client)
	require.NoError(r.t, err)
	for _, s := range resp.TransactionStates {
		if s.TransactionState == "Ongoing" {
			open = append(open, s.TransactionalID)
		}
	}
	return open
}

// TestAllFiltered: input of which nothing comes out is committed all the same,
// at once, and leaves no transaction open.
func TestAllFiltered(t *testing.T) {
	eachGuarantee(t, map[string]int32{"lines": 1, "out": 1}, func(t *testing.T, r *rig, g Guarantee) {
		cfg := r.config("app")
		cfg.Guarantee = g
		p := r.start(upper(t), cfg)
		for range 5 {
			r.produce("lines", 0, kv{"k", "drop"}, kv{"k", "drop"})
		}
		require.Eventually(t, func() bool { return p.Metrics().RecordsIn == 10 }, 20*time.Second, 5*time.Millisecond)
		require.Eventually(t, func() bool { return r.groupOffset("app", "lines", 0) == 10 }, 20*time.Second, 5*time.Millisecond)
		require.Empty(t, r.openTransactions())
		require.NoError(t, p.stop())
		require.Equal(t, int64(10), r.groupOffset("app", "lines", 0))
	})
}

var errBroken = errors.New("this line is broken")

// fragile fails on lines that say so.
func fragile(t *testing.T, fails func(string) bool) *topology.Topology {
	t.Helper()
	b := dsl.NewBuilder()
	b.Stream(linesTopic).
		TryMapValues(func(_ *processor.Context, r processor.Record[string, string]) (string, error) {
			if fails(r.Value) {
				return "", errBroken
			}
			return r.Value, nil
		}).
		To(outTopic)
	topo, err := b.Build()
	require.NoError(t, err)
	return topo
}

func broken(v string) bool { return strings.Contains(v, "broken") }

func TestFailureStops(t *testing.T) {
	r := newRig(t, map[string]int32{"lines": 1, "out": 1})
	cfg := r.config("app")
	var states []State
	cfg.OnState = func(_, to State) { states = append(states, to) }
	p := r.start(fragile(t, broken), cfg)
	r.produce("lines", 0, kv{"k", "fine"}, kv{"k", "broken"}, kv{"k", "after"})
	err := p.wait()
	require.ErrorIs(t, err, errBroken)
	var f *processor.Failure
	require.ErrorAs(t, err, &f)
	require.Equal(t, int64(1), f.Offset)
	require.ErrorContains(t, err, "Config.OnError can skip such a record")
	require.Equal(t, Failed, states[len(states)-1])
	require.Empty(t, r.openTransactions())
	require.LessOrEqual(t, r.groupOffset("app", "lines", 0), int64(1))
}

// A panic in the serde of a store is no failure of a record, which a handler could
// skip: it ends the application with an error, and nothing of it is committed.
func TestPanicOutsideOfNodes(t *testing.T) {
	r := newRig(t, map[string]int32{"lines": 1, "out": 1})
	text := serde.Of(func(dst []byte, v string) ([]byte, error) {
		if broken(v) {
			panic("cannot be stored")
		}
		return append(dst, v...), nil
	}, func(src []byte, v *string) error { *v = string(src); return nil })
	b := dsl.NewBuilder()
	b.Stream(topology.NewTopic("lines", serde.String, serde.String)).GroupByKey().
		Reduce("last", func(_, v string) string { return v }, dsl.ValueSerde(text), dsl.Uncached()).
		ToStream().To(topology.NewTopic("out", serde.String, serde.String))
	topo, err := b.Build()
	require.NoError(t, err)
	cfg := r.config("app")
	cfg.OnError = func(*processor.Context, *processor.Failure) processor.Action { return processor.Skip }
	p := r.start(topo, cfg)
	r.produce("lines", 0, kv{"k", "fine"}, kv{"k", "broken"})
	err = p.wait()
	var panicked *processor.PanicError
	require.ErrorAs(t, err, &panicked)
	require.ErrorContains(t, err, "cannot be stored")
	require.ErrorContains(t, err, "behaviour_test.go", "the stack says where")
	require.Empty(t, r.openTransactions())
	require.LessOrEqual(t, r.groupOffset("app", "lines", 0), int64(1))
}

// fullDisk is a backend that cannot save what it holds.
type fullDisk struct{ disk }

func (d *fullDisk) Open(o state.Options) (state.Engine, error) {
	e, err := d.disk.Open(o)
	return fullDiskEngine{e}, err
}

type fullDiskEngine struct{ state.Engine }

func (e fullDiskEngine) Close() error { return errors.Join(syscall.ENOSPC, e.Engine.Close()) }

func TestStateNotSaved(t *testing.T) {
	r := newRig(t, map[string]int32{"lines": 1, "counts": 1})
	cfg := r.config("app")
	cfg.State = new(fullDisk)
	p := r.start(wordCount(t), cfg)
	r.produce("lines", 0, kv{"", "one"})
	r.committed("counts", 0, count(1))
	err := p.stop()
	require.ErrorIs(t, err, syscall.ENOSPC)
	require.ErrorContains(t, err, "local state is not saved")
	require.Equal(t, Failed, p.State())
}

func TestFailureSkipsAndDeadLetters(t *testing.T) {
	r := newRig(t, map[string]int32{"lines": 1, "out": 1, "dead": 1})
	cfg := r.config("app")
	cfg.DeadLetterTopic = "dead"
	cfg.OnError = func(_ *processor.Context, f *processor.Failure) processor.Action {
		if f.Offset == 1 {
			return processor.Skip
		}
		return processor.DeadLetter
	}
	p := r.start(fragile(t, broken), cfg)
	r.produce("lines", 0, kv{"k", "fine"}, kv{"k", "broken 1"}, kv{"k", "broken 2"}, kv{"k", "after"})
	got := r.committed("out", 0, count(2))
	require.Equal(t, "fine", string(got[0].Value))
	require.Equal(t, "after", string(got[1].Value))
	dead := r.committed("dead", 0, count(1))
	require.Equal(t, "broken 2", string(dead[0].Value))
	require.NoError(t, p.stop())
}

func TestFailureRetries(t *testing.T) {
	r := newRig(t, map[string]int32{"lines": 1, "out": 1})
	cfg := r.config("app")
	cfg.RetryAfter = 10 * time.Millisecond
	cfg.OnError = func(*processor.Context, *processor.Failure) processor.Action { return processor.Retry }
	var mu sync.Mutex
	left := 3
	p := r.start(fragile(t, func(v string) bool {
		mu.Lock()
		defer mu.Unlock()
		if broken(v) && left > 0 {
			left--
			return true
		}
		return false
	}), cfg)
	r.produce("lines", 0, kv{"k", "a"}, kv{"k", "broken"}, kv{"k", "c"})
	var got []string
	for _, rec := range r.committed("out", 0, count(3)) {
		got = append(got, string(rec.Value))
	}
	require.Equal(t, []string{"a", "broken", "c"}, got)
	require.NoError(t, p.stop())
}

// TestFenced: somebody takes a worker's transactional id while it works; it
// gives up the transaction, gets a new epoch, and goes on exactly once.
func TestFenced(t *testing.T) {
	r := newRig(t, map[string]int32{"lines": 1, "counts": 1})
	cfg := r.config("app")
	cfg.InstanceID = "one"
	var mu sync.Mutex
	sends := 0
	p := r.startHooked(wordCount(t), cfg, func(a *App, worker int, step commit.Step) {
		mu.Lock()
		defer mu.Unlock()
		if step != commit.SendOffsets && step != commit.EndCommit {
			return
		}
		if sends++; sends%4 == 1 {
			require.NoError(t, fenceOne(context.Background(), a, a.txnID(worker)))
		}
	})
	want := map[string]int64{}
	for i := range 50 {
		r.produce("lines", 0, kv{"", fmt.Sprintf("all w%d", i%5)})
		want["all"]++
		want[fmt.Sprint("w", i%5)]++
	}
	got := r.committed("counts", 0, func(rs []*kgo.Record) bool { return maps.Equal(last(rs), want) })
	require.Equal(t, want, chain(t, got))
	require.Positive(t, p.Metrics().Aborts)
	require.NoError(t, p.stop())
}

// TestLostWhileAsleep: the group drops a member that sleeps between processing
// and commit; what it did must not be committed when it wakes, although it is a
// member again by then.
func TestLostWhileAsleep(t *testing.T) {
	r := newFakeRig(t, map[string]int32{"lines": 1, "counts": 1})
	cfg := r.config("app")
	cfg.Workers = 1
	var once sync.Once
	p := r.startHooked(wordCount(t), cfg, func(a *App, worker int, step commit.Step) {
		if step != commit.SendOffsets {
			return
		}
		once.Do(func() {
			// The coordinator is told that the member left; the membership
			// finds out and joins again, before the worker goes on.
			leave := kmsg.NewPtrLeaveGroupRequest()
			leave.Group = "app"
			lm := kmsg.NewLeaveGroupRequestMember()
			lm.MemberID = a.workers[worker].machine.Epoch().Member
			leave.Members = append(leave.Members, lm)
			_, err := leave.RequestWith(context.Background(), r.client)
			require.NoError(t, err)
			time.Sleep(300 * time.Millisecond)
		})
	})
	want := map[string]int64{}
	for i := range 50 {
		r.produce("lines", 0, kv{"", fmt.Sprintf("all w%d", i%5)})
		want["all"]++
		want[fmt.Sprint("w", i%5)]++
	}
	got := r.committed("counts", 0, func(rs []*kgo.Record) bool { return maps.Equal(last(rs), want) })
	require.Equal(t, want, chain(t, got))
	require.NoError(t, p.stop())
}

func TestQuery(t *testing.T) {
	r := newRig(t, map[string]int32{"lines": 2, "counts": 1})
	b := dsl.NewBuilder()
	table := b.Stream(linesTopic).FlatMapValues(strings.FieldsSeq).GroupBy(dsl.Value).Count("counts")
	table.ToStream().To(countsTopic)
	h := table.Store()
	topo, err := b.Build()
	require.NoError(t, err)
	p := r.start(topo, r.config("app"))
	r.produce("lines", 0, kv{"", "a b a"})
	r.produce("lines", 1, kv{"", "a c"})
	r.committed("counts", 0, func(rs []*kgo.Record) bool { l := last(rs); return l["a"] == 3 && l["b"] == 1 && l["c"] == 1 })
	require.Eventually(t, func() bool {
		n, ok, err := p.Get(h, "a")
		return err == nil && ok && n == 3
	}, 20*time.Second, 5*time.Millisecond)
	_, ok, err := p.Get(h, "nope")
	require.NoError(t, err)
	require.False(t, ok)
	require.NoError(t, p.stop())
	_, _, err = p.Get(h, "a")
	require.ErrorIs(t, err, ErrNotRunning)
}

// TestCommitsBeforeStateOutgrowsItsMemory: what a transaction writes is bounded,
// however far away the next commit is, in the cache of a store or below it.
func TestCommitsBeforeStateOutgrowsItsMemory(t *testing.T) {
	for name, options := range map[string][]dsl.StoreOption{"cached": nil, "uncached": {dsl.Uncached()}} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, map[string]int32{"lines": 1})
			b := dsl.NewBuilder()
			b.Table(linesTopic, "names", options...)
			topo, err := b.Build()
			require.NoError(t, err)
			cfg := r.config("app")
			cfg.Guarantee, cfg.CommitInterval, cfg.Workers, cfg.StateMemory = AtLeastOnce, time.Hour, 1, 4<<20
			r.start(topo, cfg)
			var rs []kv
			for i := range 5000 {
				rs = append(rs, kv{fmt.Sprint("key ", i), strings.Repeat("v", 200)})
			}
			r.produce("lines", 0, rs...)
			require.Eventually(t, func() bool { return r.groupOffset("app", "lines", 0) > 1000 }, time.Minute, 5*time.Millisecond)
		})
	}
}

func TestGlobalTable(t *testing.T) {
	r := newRig(t, map[string]int32{"lines": 1, "out": 1, "names": 3})
	for i := range 30 {
		r.produce("names", int32(i%3), kv{fmt.Sprint("k", i), fmt.Sprint("name ", i)})
	}
	b := dsl.NewBuilder()
	names := b.GlobalTable(topology.NewTopic("names", serde.String, serde.String), "names")
	b.Stream(linesTopic).
		JoinGlobal(names, func(k, _ string) string { return k }, func(v, n string) string { return v + " " + n }).
		To(outTopic)
	topo, err := b.Build()
	require.NoError(t, err)
	cfg := r.config("app")
	cfg.State = mem.New()
	p := r.start(topo, cfg)
	for i := range 30 {
		r.produce("lines", 0, kv{fmt.Sprint("k", i), "hello"})
	}
	// All rows that are there at the start are loaded before the first record.
	got := r.committed("out", 0, count(30))
	for i, rec := range got {
		require.Equal(t, fmt.Sprint("hello name ", i), string(rec.Value))
	}
	require.NoError(t, p.stop())
}

// TestChangelogMadeAnew: local state whose changelog is another topic by now is
// not believed.
func TestChangelogMadeAnew(t *testing.T) {
	r := newRig(t, map[string]int32{"lines": 1, "counts": 1})
	cfg := r.config("app")
	cfg.State = new(disk)
	p := r.start(wordCount(t), cfg)
	r.produce("lines", 0, kv{"", "a a a"})
	r.committed("counts", 0, func(rs []*kgo.Record) bool { return last(rs)["a"] == 3 })
	require.NoError(t, p.stop())

	r.deleteTopic("app-counts-changelog")
	p = r.start(wordCount(t), cfg)
	r.produce("lines", 0, kv{"", "a"})
	r.committed("counts", 0, func(rs []*kgo.Record) bool { return last(rs)["a"] == 1 })
	require.NoError(t, p.stop())
}

func TestPurge(t *testing.T) {
	r := newRig(t, map[string]int32{"lines": 1, "counts": 1})
	p := r.start(wordCount(t), r.config("app"))
	r.produce("lines", 0, kv{"", "a a a"})
	r.committed("counts", 0, func(rs []*kgo.Record) bool { return last(rs)["a"] == 3 })
	first := func() int64 { return r.logStart("app-counts-repartition", 0) }
	require.Zero(t, first())
	require.Eventually(t, func() bool {
		require.NoError(t, p.purger.purge(t.Context(), r.client))
		return first() >= 3
	}, 20*time.Second, 10*time.Millisecond)
	require.NoError(t, p.stop())
}

func TestHandler(t *testing.T) {
	r := newRig(t, map[string]int32{"lines": 1, "counts": 1})
	p := r.start(wordCount(t), r.config("app"))
	get := func(path string) (int, string) {
		w := httptest.NewRecorder()
		p.Handler().ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		return w.Code, w.Body.String()
	}
	r.produce("lines", 0, kv{"", "a a a"})
	r.committed("counts", 0, func(rs []*kgo.Record) bool { return last(rs)["a"] == 3 })
	code, _ := get("/readyz")
	require.Equal(t, 200, code)
	_, text := get("/metrics")
	require.Contains(t, text, "thalweg_running 1\n")
	_, text = get("/topology")
	require.Contains(t, text, "counts")
	require.NoError(t, p.stop())
	code, _ = get("/readyz")
	require.Equal(t, 503, code)
	code, _ = get("/healthz")
	require.Equal(t, 200, code)
}
