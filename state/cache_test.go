package state_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thalweg/thalweg/processor"
	"github.com/thalweg/thalweg/serde"
	"github.com/thalweg/thalweg/state"
)

// heard collects what a listener hears, with the context it hears it under.
type heard struct {
	tk  *task
	got []string
}

func (h *heard) update(k string, u state.Update[string]) error {
	s := k + ":"
	if u.HasNew {
		s += u.New
	} else {
		s += "-"
	}
	if u.HasOld {
		s += "<" + u.Old
	}
	h.got = append(h.got, fmt.Sprintf("%s@%d offset %d", s, u.Timestamp, h.tk.rec.Offset))
	return nil
}

func (h *heard) take() []string {
	got := h.got
	h.got = nil
	return got
}

func cachedStore(t *testing.T, budget int64) (*task, *heard, *state.TimestampedKV[string, string], *state.Partition) {
	_, p := openPartition(t, openDB(t), "kv", 0)
	tk := &task{}
	h := &heard{tk: tk}
	s := state.Timestamped("kv", serde.String, serde.String, state.Cached()).OpenKV(tk.env(p, state.NewCache(budget)))
	s.OnFlush(true, h.update)
	return tk, h, s, p
}

func put(t *testing.T, tk *task, s *state.TimestampedKV[string, string], offset int64, k, v string, ts int64) {
	t.Helper()
	tk.rec = state.Record{Topic: "in", Offset: offset, Timestamp: 1000 + ts}
	require.NoError(t, s.Put(k, v, ts))
}

func TestFlushIsInTheOrderOfLastUpdates(t *testing.T) {
	tk, h, s, p := cachedStore(t, 1<<20)
	put(t, tk, s, 0, "a", "1", 10)
	put(t, tk, s, 1, "b", "1", 11)
	put(t, tk, s, 2, "c", "1", 12)
	put(t, tk, s, 3, "a", "2", 13)
	require.Empty(t, tk.log, "nothing is written before the flush")
	_, ok, err := p.Get([]byte("a"))
	require.NoError(t, err)
	require.False(t, ok)

	now := state.Record{Topic: "in", Offset: 9}
	tk.rec = now
	require.NoError(t, s.Flush())
	require.Equal(t, []string{"b:1@11 offset 1", "c:1@12 offset 2", "a:2@13 offset 3"}, h.take())
	require.Equal(t, []string{"62=31@11", "63=31@12", "61=32@13"}, tk.log)
	require.Equal(t, now, tk.rec, "the context is put back")
	require.NoError(t, s.Flush())
	require.Empty(t, h.take())

	put(t, tk, s, 4, "b", "2", 20)
	put(t, tk, s, 5, "b", "3", 21)
	require.NoError(t, s.Flush())
	require.Equal(t, []string{"b:3<1@21 offset 5"}, h.take(), "the old value is the one last flushed")
}

func TestDeletesOfWhatIsNotThereAreSwallowed(t *testing.T) {
	tk, h, s, _ := cachedStore(t, 1<<20)
	tk.rec = state.Record{Timestamp: 5}
	require.NoError(t, s.Delete("never"))
	put(t, tk, s, 1, "a", "1", 10)
	require.NoError(t, s.Delete("a"))
	require.NoError(t, s.Flush())
	require.Empty(t, h.take())
	require.Empty(t, tk.log)

	put(t, tk, s, 2, "a", "2", 10)
	require.NoError(t, s.Flush())
	h.take()
	tk.rec = state.Record{Offset: 3, Timestamp: 77}
	require.NoError(t, s.Delete("a"))
	_, _, ok, err := s.Get("a")
	require.NoError(t, err)
	require.False(t, ok, "a read sees the cache")
	require.NoError(t, s.Flush())
	require.Equal(t, []string{"a:-<2@77 offset 3"}, h.take(), "a deletion has the time of its record")
	require.Equal(t, "61=null@77", tk.log[len(tk.log)-1])
}

func TestEvictionFlushesAllWithTheEvictedFirst(t *testing.T) {
	_, p := openPartition(t, openDB(t), "kv", 0)
	tk := &task{}
	h := &heard{tk: tk}
	cache := state.NewCache(1 << 30)
	s := state.Timestamped("kv", serde.String, serde.String, state.Cached()).OpenKV(tk.env(p, cache))
	s.OnFlush(false, h.update)
	put(t, tk, s, 0, "a", "1", 10)
	put(t, tk, s, 1, "b", "1", 11)
	put(t, tk, s, 2, "a", "2", 12)
	one := cache.Used() / 2
	require.NoError(t, s.Flush())
	h.take()

	small := state.NewCache(2*one + one/2) // room for two entries
	_, p2 := openPartition(t, openDB(t), "kv", 0)
	s = state.Timestamped("kv", serde.String, serde.String, state.Cached()).OpenKV(tk.env(p2, small))
	s.OnFlush(false, h.update)
	put(t, tk, s, 0, "a", "1", 10)
	put(t, tk, s, 1, "b", "1", 11)
	_, _, _, err := s.Get("a") // b is now the least recently used
	require.NoError(t, err)
	put(t, tk, s, 2, "c", "1", 12)
	require.Equal(t, []string{"b:1@11 offset 1", "a:1@10 offset 0", "c:1@12 offset 2"}, h.take())
	require.LessOrEqual(t, small.Used(), 2*one+one/2)
	require.NoError(t, s.Close())
	require.Zero(t, small.Used())
}

func TestFlushKeepsTheHeadersOfTheLastUpdate(t *testing.T) {
	_, p := openPartition(t, openDB(t), "kv", 0)
	tk := &task{}
	s := state.KeyValue("kv", serde.String, serde.String, state.Cached()).OpenKV(tk.env(p, state.NewCache(1<<20)))
	var got processor.Headers
	s.OnFlush(false, func(string, state.Update[string]) error { got = tk.rec.Headers; return nil })
	value := []byte("v")
	tk.rec = state.Record{Headers: processor.Headers{{Key: "h", Value: value}}}
	require.NoError(t, s.Put("k", "v"))
	value[0] = 'X' // the memory of the batch is used for another one
	tk.rec = state.Record{}
	require.NoError(t, s.Flush())
	require.Equal(t, processor.Headers{{Key: "h", Value: []byte("v")}}, got)
}

// A listener may put into the store that is being flushed: what it puts is for
// the next flush.
func TestListenerMayWriteToTheStore(t *testing.T) {
	tk, h, s, _ := cachedStore(t, 1<<20)
	s.OnFlush(false, func(k string, u state.Update[string]) error {
		require.NoError(t, h.update(k, u))
		return s.Put("again", u.New, 1)
	})
	put(t, tk, s, 1, "a", "1", 10)
	require.NoError(t, s.Flush())
	require.Len(t, h.take(), 1)
	require.NoError(t, s.Flush())
	require.Equal(t, []string{"again:1@1 offset 1"}, h.take())
}

// Values that share memory with the program must not be changed behind the
// cache's back, those with Clone are cloned.
func TestCachedValuesAreNotAliased(t *testing.T) {
	type list struct{ Items []string }
	_, p := openPartition(t, openDB(t), "kv", 0)
	s := state.KeyValue("kv", serde.String, serde.JSON[list](), state.Cached()).
		OpenKV(state.Env{Partition: p, Cache: state.NewCache(1 << 20)})
	v := list{[]string{"a"}}
	require.NoError(t, s.Put("k", v))
	v.Items[0] = "changed"
	got, _, err := s.Get("k")
	require.NoError(t, err)
	require.Equal(t, []string{"a"}, got.Items)
	got.Items[0] = "changed too"
	got, _, err = s.Get("k")
	require.NoError(t, err)
	require.Equal(t, []string{"a"}, got.Items)

	_, p2 := openPartition(t, openDB(t), "kv", 0)
	c := state.KeyValue("kv", serde.String, serde.JSON[counts](), state.Cached()).
		OpenKV(state.Env{Partition: p2, Cache: state.NewCache(1 << 20)})
	m := counts{"a": 1}
	require.NoError(t, c.Put("k", m))
	m["a"] = 2
	again, _, err := c.Get("k")
	require.NoError(t, err)
	require.Equal(t, counts{"a": 1}, again)
}

type counts map[string]int

func (c counts) Clone() counts {
	out := counts{}
	for k, v := range c {
		out[k] = v
	}
	return out
}

func TestCachedWindowsAndSessions(t *testing.T) {
	db := openDB(t)
	tk := &task{}
	_, wp := openPartition(t, db, "w", 0)
	w := state.TimestampedWindow("w", serde.String, serde.Int64, time.Hour, time.Minute, state.Cached()).
		OpenWindow(tk.env(wp, state.NewCache(1<<20)))
	var got []string
	w.OnFlush(true, func(k string, start int64, u state.Update[int64]) error {
		got = append(got, fmt.Sprintf("%s@%d=%d %v", k, start, u.New, u.HasOld))
		return nil
	})
	require.NoError(t, w.Put("a", 60_000, 1, 60_001))
	require.NoError(t, w.Put("a", 0, 1, 7))
	require.NoError(t, w.Put("a", 60_000, 2, 60_009))
	require.NoError(t, w.Flush())
	require.Equal(t, []string{"a@0=1 false", "a@60000=2 false"}, got)
	require.Equal(t, []string{
		"61000000000000000000000000=0000000000000001@7",
		"61000000000000ea6000000000=0000000000000002@60009",
	}, tk.log)

	tk = &task{rec: state.Record{Timestamp: 42}}
	_, sp := openPartition(t, db, "s", 0)
	s := state.Session("s", serde.String, serde.Int64, time.Hour, state.Cached()).OpenSession(tk.env(sp, state.NewCache(1<<20)))
	got = nil
	s.OnFlush(true, func(k string, start, end int64, u state.Update[int64]) error {
		got = append(got, fmt.Sprintf("%s@%d-%d=%d %v", k, start, end, u.New, u.HasNew))
		return nil
	})
	require.NoError(t, s.Put("k", 5, 15, 3))
	require.NoError(t, s.Flush())
	require.NoError(t, s.Delete("k", 5, 15))
	require.NoError(t, s.Flush())
	require.Equal(t, []string{"k@5-15=3 true", "k@5-15=0 false"}, got)
	require.Equal(t, []string{
		"6b000000000000000f0000000000000005=0000000000000003@42",
		"6b000000000000000f0000000000000005=null@42",
	}, tk.log)
}

func TestCachedAggregateUpdateDoesNotAllocate(t *testing.T) {
	type mean struct {
		N   int64
		Sum float64
		Who string
	}
	_, p := openPartition(t, openDB(t), "w", 0)
	s := state.TimestampedWindow("w", serde.String, serde.JSON[mean](), time.Hour, time.Minute, state.Cached()).
		OpenWindow(state.Env{Partition: p, Cache: state.NewCache(1 << 20)})
	require.Zero(t, testing.AllocsPerRun(100, func() {
		v, ts, _, err := s.Get("KSFO", 60_000)
		v.N, v.Sum, v.Who = v.N+1, v.Sum+1.5, "x"
		if err == nil {
			err = s.Put("KSFO", 60_000, v, ts+1)
		}
		if err != nil {
			t.Fatal(err)
		}
	}))
}
