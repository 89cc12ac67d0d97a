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
	t.Run("ExpireAfter", func(t *testing.T) {
		for _, caching := range []bool{false, true} {
			checkStore(t, open, caching, func() subject { return &keyValue{timed: true, life: 20} })
		}
	})
	t.Run("MaxEntries", func(t *testing.T) {
		checkStore(t, open, false, func() subject { return &keyValue{max: 3} })
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

// A follower is a subject whose model is what its log says.
type follower interface {
	follow(rt *rapid.T, log []logged)
}

type logged struct {
	key, value []byte
	ts         int64
	headers    processor.Headers
	gone       bool // compacted
}

// world is a task's share: one transaction with one store in it.
type world struct {
	db      *state.DB
	handle  state.Declared
	number  int32
	caching bool
	txn     *state.Txn
	part    *state.Partition
	store   state.Store
	log     []logged // by offset
	first   int      // the records before are deleted
}

func newWorld(rt *rapid.T, db *state.DB, partition int32, h state.Declared, caching bool) *world {
	w := &world{db: db, handle: h, number: partition, caching: caching}
	w.begin(rt)
	return w
}

// begin opens the partition as a process does that starts.
func (w *world) begin(rt *rapid.T) {
	w.txn = w.db.NewTxn()
	var err error
	w.part, err = w.txn.Open(w.handle.StoreName(), w.number)
	require.NoError(rt, err)
	w.open(rt)
}

// die gives up everything that the engine does not have.
func (w *world) die(rt *rapid.T) {
	require.NoError(rt, w.store.Close())
	w.txn.Release(w.part)
}

// remove leaves nothing of the world in the engine, which the next one shares:
// opening an engine on disk for each would take minutes.
func (w *world) remove(rt *rapid.T) {
	w.die(rt)
	parts, err := w.db.Partitions()
	require.NoError(rt, err)
	for _, p := range parts {
		if p.Partition == w.number {
			require.NoError(rt, w.db.Drop(p.Store, p.Partition))
		}
	}
}

// open opens the store.
func (w *world) open(rt *rapid.T) {
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
	if w.caching {
		// Small enough to evict now and then.
		env.Cache = state.NewCache(3000)
	}
	s, err := w.handle.Open(env)
	require.NoError(rt, err)
	w.store = s
}

// abort gives up the transaction, or has the process die and start again.
func (w *world) abort(rt *rapid.T) {
	if rapid.Bool().Draw(rt, "dies") {
		w.die(rt)
		w.begin(rt)
		return
	}
	w.txn.Abort()
	require.NoError(rt, w.store.Close())
	w.open(rt)
}

// restore brings back what of a log there is behind the position: in a transaction
// of its own, which the world's takes over, interrupted by aborts and deaths, after
// which it goes on where the engine is.
func (w *world) restore(rt *rapid.T, log []logged, first int) {
	own := w.txn
	at := max(first, int(w.part.Position().Offset))
	for at < len(log) {
		w.part.SetPosition(state.Position{Offset: int64(at)})
		for range rapid.IntRange(1, 7).Draw(rt, "chunk") {
			if at == len(log) {
				break
			}
			if r := log[at]; !r.gone {
				require.NoError(rt, w.store.Restore(r.key, r.value, r.ts, r.headers))
			}
			at++
		}
		w.part.SetPosition(state.Position{Offset: int64(at)})
		switch rapid.IntRange(0, 9).Draw(rt, "meanwhile") {
		case 0, 1, 2:
			require.NoError(rt, w.part.Ingest())
		case 3:
			w.abort(rt)
			at = max(first, int(w.part.Position().Offset))
		}
	}
	w.part.SetPosition(state.Position{Offset: int64(len(log))})
	require.NoError(rt, w.part.Ingest())
	require.Zero(rt, w.part.Loaded())
	if w.txn == own {
		own = w.db.NewTxn()
	}
	own.Join(w.txn)
	w.txn = own
	if rapid.Bool().Draw(rt, "at once") {
		w.abort(rt)
		require.EqualValues(rt, len(log), w.part.Position().Offset)
	}
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
		defer func() { w.remove(rt) }()
		compare := func() {
			sub.attach(w.store)
			sub.compare(rt)
		}
		sub.attach(w.store)
		committed, logLen := sub.save(), 0
		commit := func() {
			require.NoError(rt, w.store.Flush())
			committed, logLen = sub.save(), len(w.log)
			if rapid.IntRange(0, 5).Draw(rt, "commit") == 0 { // the log has it, the engine has not
				w.abort(rt)
				w.restore(rt, w.log, w.first)
				compare()
			} else {
				w.part.SetPosition(state.Position{Offset: int64(len(w.log))})
				require.NoError(rt, w.txn.Commit())
			}
			w.first = int(w.part.Position().Needed())
			if compacted && rapid.Bool().Draw(rt, "compact") {
				w.compact()
			}
		}
		for range rapid.IntRange(1, 50).Draw(rt, "steps") {
			switch rapid.IntRange(0, 13).Draw(rt, "step") {
			case 0:
				commit()
			case 1:
				w.abort(rt)
				w.log = w.log[:logLen]
				sub.load(committed)
				compare()
			case 2:
				require.NoError(rt, w.store.Flush())
			case 3:
				compare()
			case 4: // the task moves to another machine
				commit()
				observed := w.part.Position().Observed
				require.NoError(rt, w.part.Wipe())
				w.abort(rt)
				w.restore(rt, w.log, w.first)
				require.Equal(rt, observed, w.part.Position().Observed)
				compare()
			default:
				sub.operate(rt)
				if f, ok := sub.(follower); ok {
					f.follow(rt, w.log)
				}
			}
		}
		commit()
		compare()
		restored := newWorld(rt, db, 1, h, caching)
		defer func() { restored.remove(rt) }()
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
	life  int64 // ExpireAfter in milliseconds; 0: rows do not expire
	max   int   // MaxEntries; 0: there is no bound
	len   int   // how many entries there are then
	kv    *state.KV[string, string]
	tkv   *state.TimestampedKV[string, string]
	model map[string]timedValue
}

func (s *keyValue) declare() state.Declared {
	s.model = map[string]timedValue{}
	switch {
	case s.life > 0:
		return state.Timestamped("kv", serde.String, serde.String, state.Cached(), state.ExpireAfter(time.Duration(s.life)*time.Millisecond))
	case s.timed:
		return state.Timestamped("kv", serde.String, serde.String, state.Cached())
	case s.max > 0:
		return state.KeyValue("kv", serde.String, serde.String, state.MaxEntries(s.max))
	}
	return state.KeyValue("kv", serde.String, serde.String, state.Cached())
}

// follow takes over what a bounded store has evicted: which rows those are is not
// the same after a restart. How many they are is.
func (s *keyValue) follow(rt *rapid.T, log []logged) {
	if s.max == 0 {
		return
	}
	clear(s.model)
	for _, r := range log {
		if r.gone {
			continue
		}
		if delete(s.model, string(r.key)); r.value != nil {
			s.model[string(r.key)] = timedValue{string(r.value), -1}
		}
	}
	require.Len(rt, s.model, s.len)
}

// expire checks that the rows that are due go, and no others.
func (s *keyValue) expire(rt *rapid.T, now int64) {
	want, got := map[string]timedValue{}, map[string]timedValue{}
	for k, v := range s.model {
		if v.ts <= now-s.life {
			want[k] = v
			delete(s.model, k)
		}
	}
	require.NoError(rt, s.tkv.Expire(now, func(e state.Entry[string, string]) error {
		got[e.Key] = timedValue{e.Value, e.Timestamp}
		return nil
	}))
	require.Equal(rt, want, got)
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
	if s.life > 0 && rapid.IntRange(0, 3).Draw(rt, "expire") == 0 {
		s.expire(rt, ts)
		return
	}
	if rapid.IntRange(0, 3).Draw(rt, "op") == 0 {
		delete(s.model, k)
		s.len = len(s.model)
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
		s.len = min(len(s.model), s.max)
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
