package runtime

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/thalweg/thalweg/dsl"
	"github.com/thalweg/thalweg/runtime/internal/commit"
	"github.com/thalweg/thalweg/serde"
	"github.com/thalweg/thalweg/state"
	"github.com/thalweg/thalweg/topology"
)

// namesTable keeps the lines by key.
func namesTable(t *testing.T, opts ...dsl.StoreOption) (*topology.Topology, state.TimestampedHandle[string, string]) {
	t.Helper()
	b := dsl.NewBuilder()
	table := b.Table(linesTopic, "names", opts...)
	topo, err := b.Build()
	require.NoError(t, err)
	return topo, table.Store()
}

// ask queries an application in every way there is; it is for callbacks, which may
// do so. It returns what Get says of a key, and what a snapshot does.
func ask(t *testing.T, app *App, h state.TimestampedHandle[string, string], key string, partition int32, opts ...QueryOption) (got string, err error) {
	t.Helper()
	app.State()
	app.Metrics()
	value, ok, err := app.Get(h, key)
	s, serr := app.Snapshot(opts...)
	if serr != nil {
		assert.ErrorIs(t, err, serr)
		return "", serr
	}
	defer func() { assert.NoError(t, s.Close()) }()
	seen, _, sok, serr := h.In(s.Partition(partition)).Get(key)
	if len(opts) > 0 { // a snapshot's own answer
		return seen, serr
	}
	assert.Equal(t, fmt.Sprint(err), fmt.Sprint(serr))
	assert.Equal(t, ok, sok)
	assert.Equal(t, value, seen)
	return value, err
}

// TestQueryWhileRestoring: what a process has of a partition while it restores it
// is no answer. It is one when the application says that it runs, and whoever is
// told may ask at once.
func TestQueryWhileRestoring(t *testing.T) {
	r := newRig(t, map[string]int32{"lines": 1})
	r.produce("lines", 0, kv{"a", "1"}, kv{"b", "2"})
	topo, h := namesTable(t)
	p := r.start(topo, r.config("app"))
	require.Eventually(t, func() bool { v, _, err := p.Get(h, "b"); return err == nil && v == "2" }, 20*time.Second, time.Millisecond)
	require.NoError(t, p.stop())

	var app *App
	cfg := r.config("app")
	restoring, restore := make(chan struct{}), make(chan struct{})
	var once sync.Once
	var states []State
	cfg.OnRestore = func(RestoreProgress) {
		_, err := ask(t, app, h, "a", 0)
		assert.ErrorIs(t, err, ErrRestoring)
		once.Do(func() {
			close(restoring)
			<-restore
		})
	}
	running := make(chan struct{})
	cfg.OnState = func(from, to State) {
		if len(states) > 0 {
			assert.Equal(t, states[len(states)-1], from)
		}
		states = append(states, to)
		got, err := ask(t, app, h, "a", 0)
		if to == Running {
			assert.NoError(t, err)
			assert.Equal(t, "1", got)
			close(running)
		}
	}
	p = r.startPrepared(topo, cfg, func(a *App) { app = a })
	<-restoring
	require.Equal(t, Rebalancing, p.State())
	_, err := ask(t, p.App, h, "a", 0)
	require.ErrorIs(t, err, ErrRestoring)
	require.ErrorContains(t, err, `store "names" partition 0`)
	_, err = ask(t, p.App, h, "a", 0, AllowStale())
	require.NoError(t, err)
	close(restore)
	<-running
	require.NoError(t, p.stop())
	require.Equal(t, []State{Rebalancing, Running, Stopping, Stopped}, states)
}

// TestQueryOfWhatMoved: a process answers for the partitions that it runs. Of those
// that it once ran it says so, unless it is asked for what it has.
func TestQueryOfWhatMoved(t *testing.T) {
	r := newRig(t, map[string]int32{"lines": 2})
	keys := []string{"a", "b"} // by partition
	write := func(value string) {
		for p, k := range keys {
			r.produce("lines", int32(p), kv{k, value})
		}
	}
	topo, h := namesTable(t)
	one := r.start(topo, r.config("app"))
	write("before")
	for _, k := range keys {
		require.Eventually(t, func() bool { v, _, _ := one.Get(h, k); return v == "before" }, 20*time.Second, time.Millisecond)
	}
	runs := func(p *process) []int32 {
		s, err := p.Snapshot()
		if err != nil {
			return nil
		}
		defer s.Close()
		ps, err := s.Partitions("names")
		require.NoError(t, err)
		return ps
	}
	two := r.start(topo, r.config("app"))
	require.Eventually(t, func() bool {
		return len(runs(one)) == 1 && len(runs(two)) == 1 && one.State() == Running && two.State() == Running
	}, 20*time.Second, time.Millisecond)
	write("after")
	for _, p := range []*process{one, two} {
		here := runs(p)[0]
		require.Eventually(t, func() bool { v, _, _ := p.Get(h, keys[here]); return v == "after" }, 20*time.Second, time.Millisecond)
		away := 1 - here
		_, _, err := p.Get(h, keys[away])
		require.ErrorIs(t, err, ErrNotHere)
		require.ErrorContains(t, err, fmt.Sprintf(`store "names" partition %d`, away))
		s, err := p.Snapshot()
		require.NoError(t, err)
		_, _, _, err = h.In(s.Partition(away)).Get(keys[away])
		require.ErrorIs(t, err, ErrNotHere)
		require.NoError(t, s.Close())
	}
	away := 1 - runs(one)[0]
	s, err := one.Snapshot(AllowStale())
	require.NoError(t, err)
	v, _, ok, err := h.In(s.Partition(away)).Get(keys[away])
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, "before", v)
	at, err := s.Position("names", away)
	require.NoError(t, err)
	require.NoError(t, s.Close())
	s, err = two.Snapshot()
	require.NoError(t, err)
	now, err := s.Position("names", away)
	require.NoError(t, err)
	require.NoError(t, s.Close())
	require.Less(t, at, now)
}

// TestQueryWhileGlobalStoresLoad: what is loaded of a global store is no answer
// before all of it is.
func TestQueryWhileGlobalStoresLoad(t *testing.T) {
	r := newRig(t, map[string]int32{"lines": 1, "out": 1, "names": 1})
	r.produce("names", 0, kv{"a", "1"}, kv{"b", "2"})
	loading, load := make(chan struct{}), make(chan struct{})
	var once sync.Once
	var held atomic.Bool
	text := serde.Of(func(dst []byte, v string) ([]byte, error) { return append(dst, v...), nil },
		func(src []byte, v *string) error {
			if *v = string(src); *v == "2" && held.Load() {
				once.Do(func() {
					close(loading)
					<-load
				})
			}
			return nil
		})
	b := dsl.NewBuilder()
	names := b.GlobalTable(topology.NewTopic("names", serde.String, text), "names")
	b.Stream(linesTopic).
		JoinGlobal(names, func(k, _ string) string { return k }, func(v, n string) string { return v + n }).
		To(outTopic)
	topo, err := b.Build()
	require.NoError(t, err)
	h := names.Store()
	cfg := r.config("app")
	cfg.State = new(disk)
	p := r.start(topo, cfg)
	require.Eventually(t, func() bool { v, _, err := p.Get(h, "b"); return err == nil && v == "2" }, 20*time.Second, time.Millisecond)
	require.NoError(t, p.stop())

	held.Store(true)
	var app *App
	var told atomic.Bool
	cfg.OnState = func(_, to State) {
		if to == Running {
			got, err := ask(t, app, h, "b", 0)
			assert.NoError(t, err)
			assert.Equal(t, "2", got)
			told.Store(true)
		}
	}
	p = r.startPrepared(topo, cfg, func(a *App) { app = a })
	<-loading
	_, err = ask(t, p.App, h, "b", 0)
	require.ErrorIs(t, err, ErrRestoring)
	require.ErrorContains(t, err, `global store "names"`)
	_, err = ask(t, p.App, h, "b", 0, AllowStale())
	require.NoError(t, err)
	close(load)
	require.Eventually(t, func() bool { return told.Load() }, 20*time.Second, time.Millisecond)
	require.NoError(t, p.stop())
}

// TestGlobalTableWithOpenTransaction: somebody's transaction that is open on the
// topic of a global table does not keep the application from starting. What is in
// it comes when it ends.
func TestGlobalTableWithOpenTransaction(t *testing.T) {
	eachRig(t, map[string]int32{"lines": 1, "out": 1, "names": 1}, func(t *testing.T, r *rig) {
		r.produce("names", 0, kv{"a", "1"})
		other, err := kgo.NewClient(kgo.SeedBrokers(r.addrs...), kgo.TransactionalID("other"), kgo.TransactionTimeout(time.Minute))
		require.NoError(t, err)
		defer other.Close()
		require.NoError(t, other.BeginTransaction())
		require.NoError(t, other.ProduceSync(t.Context(), &kgo.Record{Topic: "names", Key: []byte("z"), Value: []byte("26")}).FirstErr())
		r.produce("names", 0, kv{"b", "2"}) // hidden by it
		b := dsl.NewBuilder()
		names := b.GlobalTable(topology.NewTopic("names", serde.String, serde.String), "names")
		b.Stream(linesTopic).
			JoinGlobal(names, func(k, _ string) string { return k }, func(v, n string) string { return v + n }).
			To(outTopic)
		topo, err := b.Build()
		require.NoError(t, err)
		p := r.start(topo, r.config("app"))
		require.Eventually(t, func() bool { return p.State() == Running }, 20*time.Second, time.Millisecond)
		v, _, err := p.Get(names.Store(), "a")
		require.NoError(t, err)
		require.Equal(t, "1", v)
		for _, k := range []string{"b", "z"} {
			_, ok, err := p.Get(names.Store(), k)
			require.NoError(t, err)
			require.False(t, ok)
		}
		require.NoError(t, other.EndTransaction(t.Context(), kgo.TryCommit))
		for k, want := range map[string]string{"b": "2", "z": "26"} {
			require.Eventually(t, func() bool { v, _, err := p.Get(names.Store(), k); return err == nil && v == want }, 20*time.Second, time.Millisecond)
		}
		require.NoError(t, p.stop())
	})
}

// watchedEngine calls looked after everything that is written to it.
type watchedEngine struct {
	state.Engine
	written func()
}

func (e watchedEngine) Apply(b *state.Batch) error {
	err := e.Engine.Apply(b)
	e.written()
	return err
}

func (e watchedEngine) Ingest(runs ...state.Run) error {
	err := e.Engine.Ingest(runs...)
	e.written()
	return err
}

type watchedDisk struct {
	disk
	written func()
}

func (d *watchedDisk) Open(o state.Options) (state.Engine, error) {
	e, err := d.disk.Open(o)
	return watchedEngine{e, d.written}, err
}

// TestSnapshotsShowWholeTransactions looks at the stores after each write of the
// local engine: what is there of the tasks of a worker is what they had done when
// one and the same transaction was flushed.
func TestSnapshotsShowWholeTransactions(t *testing.T) {
	const partitions, records = 4, 100
	r := newRig(t, map[string]int32{"lines": partitions})
	topo, h := namesTable(t)
	cfg := r.config("app")
	cfg.Workers, cfg.CommitInterval = 1, time.Millisecond
	var app *App
	var mu sync.Mutex
	var before, now [partitions]int64 // rows of each partition, as of the last two transactions
	together := 0                     // transactions of several tasks
	cfg.State = &watchedDisk{written: func() {
		if app.db == nil {
			return // it is being opened, by the goroutine that sets db
		}
		s, err := app.Snapshot()
		if !assert.NoError(t, err) {
			return
		}
		defer s.Close()
		ps, err := s.Partitions("names")
		assert.NoError(t, err)
		var got [partitions]int64
		for _, p := range ps {
			for _, err := range h.In(s.Partition(p)).All() {
				assert.NoError(t, err)
				got[p]++
			}
		}
		mu.Lock()
		defer mu.Unlock()
		if got != before {
			assert.Equal(t, now, got)
		}
	}}
	p := r.startPrepared(topo, cfg, func(a *App) {
		app = a
		a.hook = func(_ int, step commit.Step) {
			if step != commit.Apply {
				return
			}
			mu.Lock()
			defer mu.Unlock()
			before = now
			changed := 0
			for id, s := range a.workers[0].slots {
				if now[id.Partition] != s.records {
					now[id.Partition] = s.records
					changed++
				}
			}
			if changed > 1 {
				together++
			}
		}
	})
	require.Eventually(t, func() bool { return p.State() == Running }, 20*time.Second, time.Millisecond)
	p.Pause() // so that there is something to do for all of them at once
	for i := range records {
		for part := range int32(partitions) {
			r.produce("lines", part, kv{fmt.Sprint("key ", i), "v"})
		}
		if i%10 == 9 {
			p.Resume()
			require.Eventually(t, func() bool {
				mu.Lock()
				defer mu.Unlock()
				return slices.Min(now[:]) == int64(i+1)
			}, 20*time.Second, time.Millisecond)
			p.Pause()
		}
	}
	p.Resume()
	require.NoError(t, p.stop())
	require.Positive(t, together)
}

// TestLag: the lag of a task is what it has not processed, fetched or not.
func TestLag(t *testing.T) {
	const records = 1000
	r := newRig(t, map[string]int32{"lines": 1, "out": 1})
	var rs []kv
	for i := range records {
		rs = append(rs, kv{"k", fmt.Sprint(i)})
	}
	r.produce("lines", 0, rs...)
	cfg := r.config("app")
	cfg.Workers = 1
	seen := map[int64]bool{}
	p := r.startHooked(upper(t), cfg, func(a *App, _ int, step commit.Step) {
		if step != commit.Done {
			return
		}
		a.numbers.mu.Lock()
		a.numbers.workers[0].at = time.Time{} // publish each turn
		a.numbers.mu.Unlock()
		a.workers[0].count()
		for _, task := range a.Metrics().Tasks {
			if task.Records > 0 {
				assert.Equal(t, int64(records), task.Records+task.Lag)
				seen[task.Records] = true
			}
		}
	})
	r.committed("out", 0, count(records))
	require.NoError(t, p.stop())
	require.Greater(t, len(seen), 2, "seen in the middle")
}

// TestListenerPanics: what a listener does leaves the state as it is.
func TestListenerPanics(t *testing.T) {
	var heard []State
	b := stateBox{logger: logger(t), listener: func(_, to State) {
		if heard = append(heard, to); to == Rebalancing {
			panic("listener")
		}
	}}
	require.Panics(t, func() { b.set(Rebalancing) })
	b.set(Running)
	require.Equal(t, Running, b.get())
	require.Equal(t, []State{Rebalancing, Running}, heard)
}
