package state_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thalweg/thalweg/processor"
	"github.com/thalweg/thalweg/serde"
	"github.com/thalweg/thalweg/state"
)

// task is the least of a task that stores need: a current record and a
// changelog.
type task struct {
	rec     state.Record
	log     []string
	dropped map[string]int
}

func (t *task) env(p *state.Partition, cache *state.Cache) state.Env {
	t.dropped = map[string]int{}
	return state.Env{
		Partition: p,
		Cache:     cache,
		Record:    func() state.Record { return t.rec },
		SetRecord: func(r state.Record) { t.rec = r },
		Dropped:   func(reason string) { t.dropped[reason]++ },
		Log: func(key, value []byte, ts int64, _ processor.Headers) error {
			v := "null"
			if value != nil {
				v = fmt.Sprintf("%x", value)
			}
			t.log = append(t.log, fmt.Sprintf("%x=%s@%d", key, v, ts))
			return nil
		},
	}
}

func TestKeyValue(t *testing.T) {
	_, p := openPartition(t, openDB(t), "kv", 0)
	tk := &task{rec: state.Record{Timestamp: 5}}
	s := state.KeyValue("kv", serde.String, serde.String).OpenKV(tk.env(p, nil))

	for _, k := range []string{"a", "ab", "abc", "b", "ba", "c", "é"} {
		require.NoError(t, s.Put(k, k+"!"))
	}
	v, ok, err := s.Get("ab")
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, "ab!", v)
	_, ok, err = s.Get("x")
	require.NoError(t, err)
	require.False(t, ok)

	keys := func(seq func(func(state.Entry[string, string], error) bool)) (got []string) {
		for e, err := range seq {
			require.NoError(t, err)
			require.Equal(t, e.Key+"!", e.Value)
			got = append(got, e.Key)
		}
		return got
	}
	require.Equal(t, []string{"a", "ab", "abc", "b", "ba", "c", "é"}, keys(s.All()))
	require.Equal(t, []string{"é", "c", "ba", "b", "abc", "ab", "a"}, keys(s.Backward()))
	require.Equal(t, []string{"ab", "abc", "b"}, keys(s.Range("ab", "b")))
	require.Equal(t, []string{"b", "abc", "ab"}, keys(s.RangeBackward("ab", "b")))
	require.Empty(t, keys(s.Range("b", "a")))
	require.Equal(t, []string{"a", "ab", "abc"}, keys(s.Prefix("a")))
	require.Equal(t, []string{"c", "é"}, keys(s.From("c")))
	require.Equal(t, []string{"a", "ab"}, keys(s.To("ab")))

	old, had, err := s.PutIfAbsent("a", "new")
	require.NoError(t, err)
	require.True(t, had)
	require.Equal(t, "a!", old)
	old, had, err = s.Remove("a")
	require.NoError(t, err)
	require.True(t, had)
	require.Equal(t, "a!", old)
	_, had, err = s.PutIfAbsent("a", "")
	require.NoError(t, err)
	require.False(t, had)
	v, ok, err = s.Get("a")
	require.NoError(t, err)
	require.True(t, ok, "an empty value is a value")
	require.Empty(t, v)
	require.Equal(t, []string{"61=null@5", "61=@5"}, tk.log[len(tk.log)-2:])

	for range s.All() {
		break // and the scan is closed
	}
	require.NoError(t, s.Close())
	_, _, err = s.Get("a")
	require.ErrorIs(t, err, state.ErrClosed)
}

func TestTimestampedChangelog(t *testing.T) {
	txn, p := openPartition(t, openDB(t), "ts", 0)
	tk := &task{rec: state.Record{Timestamp: 99}}
	h := state.Timestamped("ts", serde.String, serde.Int64)
	s := h.OpenKV(tk.env(p, nil))
	require.NoError(t, s.Put("k", 1, 7))
	require.NoError(t, s.Delete("k"))
	require.NoError(t, s.Put("k", 2, 8))
	require.Equal(t, []string{"6b=0000000000000001@7", "6b=null@99", "6b=0000000000000002@8"}, tk.log)
	raw, ok, err := p.Get([]byte("k"))
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, "00000000000000080000000000000002", fmt.Sprintf("%x", raw))

	require.NoError(t, txn.Commit())
	require.NoError(t, s.Restore([]byte("j"), []byte{0, 0, 0, 0, 0, 0, 0, 3}, 11, nil))
	require.NoError(t, s.Restore([]byte("k"), nil, 12, nil))
	require.NoError(t, txn.Commit())
	for e, err := range s.All() {
		require.NoError(t, err)
		require.Equal(t, state.Entry[string, int64]{Key: "j", Value: 3, Timestamp: 11}, e)
	}
}

func TestNullableValueDeletes(t *testing.T) {
	_, p := openPartition(t, openDB(t), "kv", 0)
	tk := &task{}
	s := state.KeyValue("kv", serde.String, serde.Nullable(serde.Int64)).OpenKV(tk.env(p, nil))
	n := int64(4)
	require.NoError(t, s.Put("k", &n))
	v, ok, err := s.Get("k")
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, n, *v)
	require.NoError(t, s.Put("k", nil))
	_, ok, err = s.Get("k")
	require.NoError(t, err)
	require.False(t, ok)
	require.Equal(t, "6b=null@0", tk.log[1])
}

type noStores struct{}

func (noStores) Store(string) any { return nil }

func TestUnconnectedStoreSaysSo(t *testing.T) {
	s := state.KeyValue("kv", serde.String, serde.String).In(noStores{})
	_, _, err := s.Get("k")
	require.ErrorContains(t, err, `no store "kv" is connected`)
	require.Error(t, s.Put("k", "v"))
	for _, err := range s.All() {
		require.Error(t, err)
	}
}

func TestKeyValueGetAndPutDoNotAllocate(t *testing.T) {
	for _, caching := range []bool{false, true} {
		_, p := openPartition(t, openDB(t), "kv", 0)
		env := state.Env{Partition: p, Log: func([]byte, []byte, int64, processor.Headers) error { return nil }}
		if caching {
			env.Cache = state.NewCache(1 << 20)
		}
		s := state.Timestamped("kv", serde.String, serde.Int64, state.Cached()).OpenKV(env)
		require.Equal(t, caching, s.Caching())
		work := func() {
			v, ts, _, err := s.Get("a key")
			if err == nil {
				err = s.Put("a key", v+1, ts+1)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		work()
		require.Zero(t, testing.AllocsPerRun(100, work), "caching %v", caching)
	}
}

func TestMaxEntriesKeepsTheMostRecentlyUsed(t *testing.T) {
	txn, p := openPartition(t, openDB(t), "lru", 0)
	tk := &task{}
	h := state.KeyValue("lru", serde.String, serde.Int64, state.MaxEntries(2))
	s := h.OpenKV(tk.env(p, nil))
	require.NoError(t, s.Put("a", 1))
	require.NoError(t, s.Put("b", 2))
	_, _, err := s.Get("a")
	require.NoError(t, err)
	require.NoError(t, s.Put("c", 3))
	require.Equal(t, "62=null@0", tk.log[len(tk.log)-1], "the one that goes is deleted in the changelog")
	n, err := s.Len()
	require.NoError(t, err)
	require.Equal(t, 2, n)

	require.NoError(t, txn.Commit())
	require.NoError(t, s.Close())
	s = h.OpenKV(tk.env(p, nil))
	require.NoError(t, s.Put("d", 4))
	n, err = s.Len()
	require.NoError(t, err)
	require.Equal(t, 2, n, "it knows what was there when it was opened")
	require.NoError(t, s.Delete("d"))
	require.NoError(t, s.Put("e", 5))
	n, err = s.Len()
	require.NoError(t, err)
	require.Equal(t, 2, n)
}
