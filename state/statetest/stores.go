package statetest

import (
	"bytes"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/thalweg/thalweg/processor"
	"github.com/thalweg/thalweg/serde"
	"github.com/thalweg/thalweg/state"
)

// Stores runs random operations on each kind of store on an engine, with commits,
// aborts and flushes between, and compares with a plain model what is visible
// each time, and what a restore from the changelog makes visible.
func Stores(t *testing.T, open func(dir string) state.Backend) {
	for _, caching := range []bool{false, true} {
		name := fmt.Sprintf("caching=%v", caching)
		t.Run("KeyValue/"+name, func(t *testing.T) {
			checkStore(t, open, caching, func() subject { return &keyValue{timed: false} })
		})
		t.Run("Timestamped/"+name, func(t *testing.T) {
			checkStore(t, open, caching, func() subject { return &keyValue{timed: true} })
		})
		// Cached windows are seen until they are evicted, expired or not, so
		// only stores that expire nothing are compared.
		for _, ordered := range []bool{false, true} {
			opts := []state.Option{}
			if ordered {
				opts = append(opts, state.TimeOrdered())
			}
			retention := 100 * time.Second
			if caching {
				retention = 1000 * time.Hour
			}
			t.Run(fmt.Sprintf("Window/ordered=%v/%s", ordered, name), func(t *testing.T) {
				checkStore(t, open, caching, func() subject { return &windows{retention: retention, opts: opts} })
			})
			t.Run(fmt.Sprintf("Session/ordered=%v/%s", ordered, name), func(t *testing.T) {
				checkStore(t, open, caching, func() subject { return &sessions{retention: retention, opts: opts} })
			})
		}
	}
	t.Run("Window/duplicates", func(t *testing.T) {
		checkStore(t, open, false, func() subject {
			return &windows{retention: 100 * time.Second, opts: []state.Option{state.Duplicates()}, duplicates: true}
		})
	})
	for _, after := range []int{1, 10, 1000} {
		t.Run(fmt.Sprintf("Versioned/rewritten=%d", after), func(t *testing.T) {
			checkStore(t, open, false, func() subject { return &versions{retention: 100, rewriteAfter: after} })
		})
	}
}

// A subject is a store under test together with its model.
type subject interface {
	declare() state.Declared
	attach(s state.Store)
	// operate does one random operation on both.
	operate(rt *rapid.T)
	// compare checks that the store shows what the model has.
	compare(rt *rapid.T)
	// save returns a copy of the model's content, load goes back to one.
	save() any
	load(any)
}

type logged struct {
	key, value []byte
	ts         int64
	headers    processor.Headers
	gone       bool // compacted
}

// world is a task's share: one transaction with one store in it.
type world struct {
	db    *state.DB
	txn   *state.Txn
	part  *state.Partition
	store state.Store
	log   []logged // by offset
	first int      // the records before are deleted
}

func newWorld(rt *rapid.T, db *state.DB, partition int32, h state.Declared, caching bool) *world {
	w := &world{db: db, txn: db.NewTxn()}
	var err error
	w.part, err = w.txn.Open(h.StoreName(), partition)
	require.NoError(rt, err)
	w.reopen(rt, h, caching)
	return w
}

// remove leaves nothing of the world in the engine, which the next one shares:
// opening an engine on disk for each would take minutes.
func (w *world) remove(rt *rapid.T) {
	w.txn.Release(w.part)
	require.NoError(rt, w.db.Drop(w.part.Store(), w.part.Number()))
}

func (w *world) reopen(rt *rapid.T, h state.Declared, caching bool) {
	env := state.Env{
		Partition: w.part,
		Log: func(key, value []byte, ts int64, h processor.Headers) error {
			for i := range h {
				h[i].Value = bytes.Clone(h[i].Value)
			}
			w.log = append(w.log, logged{key: bytes.Clone(key), value: bytes.Clone(value), ts: ts, headers: slices.Clone(h)})
			return nil
		},
	}
	if caching {
		// Small enough to evict now and then.
		env.Cache = state.NewCache(3000)
	}
	s, err := h.Open(env)
	require.NoError(rt, err)
	w.store = s
}

// restore brings back what of a log there is, with commits between.
func (w *world) restore(rt *rapid.T, log []logged, first int) {
	for i, r := range log[first:] {
		at := first + i
		if i%3 == 0 {
			w.part.SetPosition(state.Position{Offset: int64(at)})
		}
		if !r.gone {
			require.NoError(rt, w.store.Restore(r.key, r.value, r.ts, r.headers))
		}
		if i%7 == 0 {
			w.part.SetPosition(state.Position{Offset: int64(at + 1)})
			require.NoError(rt, w.txn.Commit())
		}
	}
	w.part.SetPosition(state.Position{Offset: int64(len(log))})
	require.NoError(rt, w.txn.Commit())
}

// compact keeps the last record of each key, as a broker does with a topic whose
// policy says so.
func (w *world) compact() {
	last := map[string]int{}
	for i, r := range w.log {
		last[string(r.key)] = i
	}
	for i := range w.log {
		w.log[i].gone = last[string(w.log[i].key)] != i
	}
}

func checkStore(t *testing.T, open func(dir string) state.Backend, caching bool, subjects func() subject) {
	db, err := state.Open(open(t.TempDir()), small)
	require.NoError(t, err)
	defer func() { require.NoError(t, db.Close()) }()
	rapid.Check(t, func(rt *rapid.T) {
		sub := subjects()
		h := sub.declare()
		compacted := strings.Contains(h.Spec().TopicConfig()["cleanup.policy"], "compact")
		w := newWorld(rt, db, 0, h, caching)
		defer w.remove(rt)
		sub.attach(w.store)
		committed, logLen := sub.save(), 0
		commit := func() {
			require.NoError(rt, w.store.Flush())
			w.part.SetPosition(state.Position{Offset: int64(len(w.log))})
			require.NoError(rt, w.txn.Commit())
			committed, logLen = sub.save(), len(w.log)
			w.first = int(w.part.Position().Needed())
			if compacted && rapid.Bool().Draw(rt, "compact") {
				w.compact()
			}
		}
		for range rapid.IntRange(1, 50).Draw(rt, "steps") {
			switch rapid.IntRange(0, 13).Draw(rt, "step") {
			case 0:
				commit()
			case 1: // abort, or a crash of the task
				w.txn.Abort()
				require.NoError(rt, w.store.Close())
				w.log = w.log[:logLen]
				w.reopen(rt, h, caching)
				sub.attach(w.store)
				sub.load(committed)
				sub.compare(rt)
			case 2:
				require.NoError(rt, w.store.Flush())
			case 3:
				sub.compare(rt)
			case 4: // the task moves to another machine
				commit()
				observed := w.part.Position().Observed
				require.NoError(rt, w.store.Close())
				require.NoError(rt, w.part.Wipe())
				w.reopen(rt, h, caching)
				w.restore(rt, w.log, w.first)
				sub.attach(w.store)
				require.Equal(rt, observed, w.part.Position().Observed)
				sub.compare(rt)
			default:
				sub.operate(rt)
			}
		}
		commit()
		sub.compare(rt)
		restored := newWorld(rt, db, 1, h, caching)
		defer restored.remove(rt)
		restored.restore(rt, w.log, w.first)
		require.Empty(rt, restored.log, "a restore logs nothing")
		sub.attach(restored.store)
		sub.compare(rt)
	})
}

var keys = rapid.SampledFrom([]string{"", "a", "ab", "b", "b\xff", "c"})

func drawTime(rt *rapid.T, name string) int64 {
	// Several segments of a minute, and times next to each other.
	return rapid.Int64Range(0, 5).Draw(rt, name)*40_000 + rapid.Int64Range(0, 3).Draw(rt, name+"+")
}

type timedValue struct {
	v  string
	ts int64
}

// keyValue is a key-value store, plain or timestamped.
type keyValue struct {
	timed bool
	kv    *state.KV[string, string]
	tkv   *state.TimestampedKV[string, string]
	model map[string]timedValue
}

func (s *keyValue) declare() state.Declared {
	s.model = map[string]timedValue{}
	if s.timed {
		return state.Timestamped("kv", serde.String, serde.String, state.Cached())
	}
	return state.KeyValue("kv", serde.String, serde.String, state.Cached())
}

func (s *keyValue) attach(st state.Store) {
	s.kv, _ = st.(*state.KV[string, string])
	s.tkv, _ = st.(*state.TimestampedKV[string, string])
}

func (s *keyValue) save() any  { return maps.Clone(s.model) }
func (s *keyValue) load(m any) { s.model = maps.Clone(m.(map[string]timedValue)) }

func (s *keyValue) operate(rt *rapid.T) {
	k, v := keys.Draw(rt, "k"), rapid.StringMatching(`[x-z]{0,3}`).Draw(rt, "v")
	ts := rapid.Int64Range(0, 100).Draw(rt, "ts")
	if rapid.IntRange(0, 3).Draw(rt, "op") == 0 {
		delete(s.model, k)
		if s.timed {
			require.NoError(rt, s.tkv.Delete(k))
		} else {
			require.NoError(rt, s.kv.Delete(k))
		}
		return
	}
	if s.timed {
		s.model[k] = timedValue{v, ts}
		require.NoError(rt, s.tkv.Put(k, v, ts))
	} else {
		s.model[k] = timedValue{v, -1}
		require.NoError(rt, s.kv.Put(k, v))
	}
}

func (s *keyValue) compare(rt *rapid.T) {
	type scan = func() iter.Seq2[state.Entry[string, string], error]
	var all, back scan
	var get func(k string) (string, int64, bool, error)
	if s.timed {
		all, back, get = s.tkv.All, s.tkv.Backward, s.tkv.Get
	} else {
		all, back = s.kv.All, s.kv.Backward
		get = func(k string) (string, int64, bool, error) {
			v, ok, err := s.kv.Get(k)
			return v, -1, ok, err
		}
	}
	var want []string
	for _, k := range slices.Sorted(maps.Keys(s.model)) {
		want = append(want, fmt.Sprintf("%q=%v", k, s.model[k]))
	}
	var got []string
	for e, err := range all() {
		require.NoError(rt, err)
		got = append(got, fmt.Sprintf("%q=%v", e.Key, timedValue{e.Value, e.Timestamp}))
	}
	require.Equal(rt, want, got)
	got = nil
	for e, err := range back() {
		require.NoError(rt, err)
		got = append(got, fmt.Sprintf("%q=%v", e.Key, timedValue{e.Value, e.Timestamp}))
	}
	slices.Reverse(got)
	require.Equal(rt, want, got)
	k := keys.Draw(rt, "read")
	v, ts, ok, err := get(k)
	require.NoError(rt, err)
	m, has := s.model[k]
	require.Equal(rt, has, ok)
	if ok {
		require.Equal(rt, m, timedValue{v, ts})
	}
}
