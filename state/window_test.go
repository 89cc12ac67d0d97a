package state_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thalweg/thalweg/serde"
	"github.com/thalweg/thalweg/state"
)

func TestExpiredWritesAreRefusedCountedAndLogged(t *testing.T) {
	db := openDB(t)
	for _, c := range []struct {
		name string
		opts []state.Option
		late int64 // the largest start that is refused at a stream time of 600,000
	}{
		{"persistent: by segments of a minute", nil, 479_999},
		{"in memory: at once", []state.Option{state.InMemory()}, 500_000},
	} {
		_, p := openPartition(t, db, c.name, 0)
		tk := &task{}
		h := state.Window(c.name, serde.String, serde.Int64, 100*time.Second, time.Second, c.opts...)
		s := h.OpenWindow(tk.env(p, nil))
		require.NoError(t, s.Put("k", 600_000, 1, -1))
		require.NoError(t, s.Put("k", c.late, 2, -1))
		require.Equal(t, map[string]int{state.DroppedExpired: 1}, tk.dropped, c.name)
		require.Len(t, tk.log, 2)
		require.NoError(t, s.Put("k", c.late+1, 3, -1))
		require.Equal(t, 1, tk.dropped[state.DroppedExpired], c.name)
		_, _, ok, err := s.Get("k", 500_000)
		require.NoError(t, err)
		require.False(t, ok, "what is at the edge is not seen")
		require.NoError(t, s.Put("k", 500_001, 4, -1))
		_, _, ok, err = s.Get("k", 500_001)
		require.NoError(t, err)
		require.True(t, ok)
	}
}

// Segments the time has moved past are deleted, also in the engine.
func TestExpiredSegmentsAreDeleted(t *testing.T) {
	for _, opts := range [][]state.Option{nil, {state.TimeOrdered()}} {
		txn, p := openPartition(t, openDB(t), "w", 0)
		s := state.Window("w", serde.String, serde.Int64, time.Minute, time.Second, opts...).OpenWindow(state.Env{Partition: p})
		for i := range int64(3000) {
			require.NoError(t, s.Put("k", i*1000, i, -1))
			if i%100 == 0 {
				require.NoError(t, txn.Commit())
			}
		}
		require.NoError(t, txn.Commit())
		left := len(rowsOf(t, p.Scan(nil, nil, false)))
		require.LessOrEqual(t, left, 2*2*60, "two segments of 60 rows, and their index")
		require.Equal(t, int64(2_999_000), p.Position().Observed)
	}
}

// The stream time and the numbers of duplicates survive in the position.
func TestWindowStoreGoesOnAfterReopening(t *testing.T) {
	db := openDB(t)
	h := state.Window("w", serde.String, serde.Int64, 10*time.Minute, time.Minute, state.Duplicates())
	txn, p := openPartition(t, db, "w", 0)
	s := h.OpenWindow(state.Env{Partition: p})
	require.NoError(t, s.Put("k", 7, 1, -1))
	require.NoError(t, txn.Commit())
	txn.Release(p)

	_, p = openPartition(t, db, "w", 0)
	s = h.OpenWindow(state.Env{Partition: p})
	require.NoError(t, s.Put("k", 7, 2, -1))
	var got []int64
	for e, err := range s.Fetch("k", 0, 100) {
		require.NoError(t, err)
		got = append(got, e.Value)
	}
	require.Equal(t, []int64{1, 2}, got)
}

// A key that begins with another one and goes on like a time is not taken for it.
func TestKeysThatLookLikeRows(t *testing.T) {
	_, p := openPartition(t, openDB(t), "w", 0)
	s := state.Window("w", serde.String, serde.Int64, time.Hour, time.Minute).OpenWindow(state.Env{Partition: p})
	long := "k\x00\x00\x00\x00\x00\x00\x00\x05"
	require.NoError(t, s.Put("k", 5, 1, -1))
	require.NoError(t, s.Put(long, 0, 2, -1))
	for e, err := range s.Fetch("k", 0, 10) {
		require.NoError(t, err)
		require.Equal(t, state.WindowEntry[string, int64]{Key: "k", Start: 5, Value: 1, Timestamp: -1}, e)
	}
	n := 0
	for e, err := range s.Fetch(long, 0, 10) {
		require.NoError(t, err)
		require.Equal(t, long, e.Key)
		n++
	}
	require.Equal(t, 1, n)
}

func TestInMemorySessionsWithOneEndComeWithDescendingStart(t *testing.T) {
	_, p := openPartition(t, openDB(t), "s", 0)
	tk := &task{}
	s := state.Session("s", serde.String, serde.Int64, time.Hour, state.InMemory()).OpenSession(tk.env(p, nil))
	require.NoError(t, s.Put("k", 1, 9, 1))
	require.NoError(t, s.Put("k", 3, 9, 2))
	require.Equal(t, "6b00000000000000090000000000000001=0000000000000001@0", tk.log[0])
	var got []int64
	for e, err := range s.Fetch("k") {
		require.NoError(t, err)
		got = append(got, e.Start)
	}
	require.Equal(t, []int64{3, 1}, got)
}

// A committed view may be read from any goroutine, with the same typed stores.
func TestCommittedViewOfATypedStore(t *testing.T) {
	db := openDB(t)
	txn, p := openPartition(t, db, "kv", 0)
	h := state.Timestamped("kv", serde.String, serde.Int64, state.Cached())
	s := h.OpenKV(state.Env{Partition: p, Cache: state.NewCache(1 << 20)})
	require.NoError(t, s.Put("k", 1, 10))
	require.NoError(t, s.Flush())
	require.NoError(t, txn.Commit())
	require.NoError(t, s.Put("k", 2, 20))
	require.NoError(t, s.Flush())

	snap := db.Snapshot()
	defer snap.Close()
	done := make(chan struct{})
	go func() {
		defer close(done)
		view, ok, err := db.View(snap, "kv", 0)
		if err != nil || !ok {
			t.Errorf("view: %v, %v", ok, err)
			return
		}
		r := h.OpenKV(state.Env{Partition: view})
		if v, ts, ok, err := r.Get("k"); v != 1 || ts != 10 || !ok || err != nil {
			t.Errorf("got %d@%d, %v, %v", v, ts, ok, err)
		}
		if err := r.Put("k", 3, 30); err == nil {
			t.Error("a view was written to")
		}
	}()
	<-done
}

func TestWindowGetAndPutDoNotAllocate(t *testing.T) {
	_, p := openPartition(t, openDB(t), "w", 0)
	w := state.TimestampedWindow("w", serde.String, serde.Int64, time.Hour, time.Minute).OpenWindow(state.Env{Partition: p})
	_, q := openPartition(t, openDB(t), "s", 0)
	s := state.Session("s", serde.Int64, serde.Float64, time.Hour).OpenSession(state.Env{Partition: q})
	work := func() {
		v, ts, _, err := w.Get("k", 60_000)
		if err == nil {
			err = w.Put("k", 60_000, v+1, ts+1)
		}
		if err == nil {
			err = s.Put(7, 1, 2, 3)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	work()
	require.Zero(t, testing.AllocsPerRun(100, work))
}
