package state_test

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/thalweg/thalweg/state"
	"github.com/thalweg/thalweg/state/mem"
)

func openDB(t testing.TB) *state.DB {
	t.Helper()
	db, err := state.Open(mem.New(), state.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { db.Close() })
	return db
}

func openPartition(t testing.TB, db *state.DB, store string, n int32) (*state.Txn, *state.Partition) {
	t.Helper()
	txn := db.NewTxn()
	p, err := txn.Open(store, n)
	require.NoError(t, err)
	return txn, p
}

// A snapshot shows what it was taken of, also where that is dropped since and has
// been made anew.
func TestViewOfWhatWasDropped(t *testing.T) {
	db := openDB(t)
	txn, p := openPartition(t, db, "s", 0)
	require.NoError(t, p.Put([]byte("k"), []byte("v")))
	p.SetPosition(state.Position{Offset: 7})
	require.NoError(t, txn.Commit())
	snap := db.Snapshot()
	defer snap.Close()
	txn.Release(p)
	require.NoError(t, db.Drop("s", 0))
	check := func() {
		view, ok, err := db.View(snap, "s", 0)
		require.NoError(t, err)
		require.True(t, ok)
		require.Equal(t, int64(7), view.Position().Offset)
		v, ok, err := view.Get([]byte("k"))
		require.NoError(t, err)
		require.True(t, ok)
		require.Equal(t, "v", string(v))
	}
	check()
	txn, p = openPartition(t, db, "s", 0)
	check()
	txn.Release(p)
}

func rowsOf(t require.TestingT, it state.Iterator) []string {
	var got []string
	for it.Next() {
		got = append(got, fmt.Sprintf("%s=%s", it.Key(), it.Value()))
	}
	require.NoError(t, it.Close())
	return got
}

// modelScan is what a scan of the model shows.
func modelScan(m map[string]string, lo, hi string, open, reverse bool) []string {
	var got []string
	for _, k := range slices.Sorted(maps.Keys(m)) {
		if k >= lo && (open || k < hi) {
			got = append(got, k+"="+m[k])
		}
	}
	if reverse {
		slices.Reverse(got)
	}
	return got
}

// TestPartitionModel runs random operations against a partition and a map, with
// commits and aborts between, and scans that stay open over writes.
func TestPartitionModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		db, err := state.Open(mem.New(), state.Options{})
		require.NoError(rt, err)
		defer db.Close()
		txn := db.NewTxn()
		p, err := txn.Open("s", 0)
		require.NoError(rt, err)
		other, err := txn.Open("t", 0)
		require.NoError(rt, err)
		require.NoError(rt, other.Put([]byte("m"), []byte("other")))

		model, committed := map[string]string{}, map[string]string{}
		key := rapid.StringOfN(rapid.SampledFrom([]rune("abc")), 0, 3, -1)
		val := rapid.StringMatching(`[xyz]{0,4}`)
		type open struct {
			it   state.Iterator
			want []string
		}
		var scans []open
		closeAll := func() {
			for _, s := range scans {
				require.Equal(rt, s.want, rowsOf(rt, s.it))
			}
			scans = nil
		}
		scan := func() (state.Iterator, []string) {
			lo, hi := key.Draw(rt, "lo"), key.Draw(rt, "hi")
			unbounded, reverse := rapid.Bool().Draw(rt, "open"), rapid.Bool().Draw(rt, "reverse")
			end := []byte(hi)
			if unbounded {
				end = nil
			}
			return p.Scan([]byte(lo), end, reverse), modelScan(model, lo, hi, unbounded, reverse)
		}
		rt.Repeat(map[string]func(*rapid.T){
			"put": func(rt *rapid.T) {
				k, v := key.Draw(rt, "k"), val.Draw(rt, "v")
				require.NoError(rt, p.Put([]byte(k), []byte(v)))
				model[k] = v
			},
			"delete": func(rt *rapid.T) {
				k := key.Draw(rt, "k")
				require.NoError(rt, p.Delete([]byte(k)))
				delete(model, k)
			},
			"deleteRange": func(rt *rapid.T) {
				lo, hi := key.Draw(rt, "lo"), key.Draw(rt, "hi")
				require.NoError(rt, p.DeleteRange([]byte(lo), []byte(hi)))
				maps.DeleteFunc(model, func(k, _ string) bool { return k >= lo && k < hi })
			},
			"get": func(rt *rapid.T) {
				k := key.Draw(rt, "k")
				v, ok, err := p.Get([]byte(k))
				require.NoError(rt, err)
				want, has := model[k]
				require.Equal(rt, has, ok)
				require.Equal(rt, want, string(v))
			},
			"scan": func(rt *rapid.T) {
				it, want := scan()
				require.Equal(rt, want, rowsOf(rt, it))
			},
			"open scan": func(rt *rapid.T) {
				it, want := scan()
				if len(want) > 0 && rapid.Bool().Draw(rt, "step") {
					require.True(rt, it.Next())
					require.True(rt, strings.HasPrefix(want[0], string(it.Key())+"="))
					want = want[1:]
				}
				if len(want) == 0 {
					want = nil
				}
				scans = append(scans, open{it, want})
			},
			"commit": func(rt *rapid.T) {
				closeAll()
				require.NoError(rt, txn.Commit())
				committed = maps.Clone(model)
			},
			"abort": func(rt *rapid.T) {
				closeAll()
				txn.Abort()
				model = maps.Clone(committed)
			},
		})
		closeAll()
		require.NoError(rt, txn.Commit())
		require.Equal(rt, modelScan(model, "", "", true, false), rowsOf(rt, p.Scan(nil, nil, false)))
	})
}

func TestCommitIsAtomicWithPosition(t *testing.T) {
	db := openDB(t)
	txn, p := openPartition(t, db, "s", 3)
	require.Equal(t, int64(-1), p.Position().Offset)

	require.NoError(t, p.Put([]byte("k"), []byte("v")))
	p.SetPosition(state.Position{TopicID: [16]byte{1}, Offset: 7, LeaderEpoch: 2})
	snap := db.Snapshot()
	require.NoError(t, txn.Commit())

	view, ok, err := db.View(snap, "s", 3)
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, int64(-1), view.Position().Offset, "a snapshot is not changed by a later commit")
	require.Empty(t, rowsOf(t, view.Scan(nil, nil, false)))
	require.NoError(t, snap.Close())

	view, _, err = db.View(db.Engine(), "s", 3)
	require.NoError(t, err)
	require.Equal(t, int64(7), view.Position().Offset)
	require.Equal(t, []string{"k=v"}, rowsOf(t, view.Scan(nil, nil, false)))
	require.ErrorIs(t, view.Put(nil, nil), state.ErrReadOnly)

	require.NoError(t, p.Put([]byte("k"), []byte("w")))
	p.SetPosition(state.Position{Offset: 9})
	txn.Abort()
	require.Equal(t, int64(7), p.Position().Offset)
}

func TestPartitionHasOneOwner(t *testing.T) {
	db := openDB(t)
	txn, p := openPartition(t, db, "s", 0)
	_, err := db.NewTxn().Open("s", 0)
	require.ErrorContains(t, err, "another transaction")
	require.ErrorContains(t, db.Drop("s", 0), "open")

	require.NoError(t, p.Put([]byte("k"), []byte("v")))
	require.NoError(t, txn.Commit())
	txn.Release(p)
	require.ErrorIs(t, p.Put([]byte("k"), nil), state.ErrReadOnly)

	txn2, p2 := openPartition(t, db, "s", 0)
	require.Equal(t, []string{"k=v"}, rowsOf(t, p2.Scan(nil, nil, false)))
	txn2.Release(p2)
	require.NoError(t, db.Drop("s", 0))
	_, p3 := openPartition(t, db, "s", 0)
	require.Empty(t, rowsOf(t, p3.Scan(nil, nil, false)))
	infos, err := db.Partitions()
	require.NoError(t, err)
	require.Len(t, infos, 1)
}

func TestWipe(t *testing.T) {
	db := openDB(t)
	txn, p := openPartition(t, db, "s", 0)
	require.NoError(t, p.Put([]byte("k"), []byte("v")))
	p.SetPosition(state.Position{Offset: 3})
	require.NoError(t, txn.Commit())
	require.NoError(t, p.Put([]byte("l"), []byte("w")))
	require.NoError(t, p.Wipe())
	require.Empty(t, rowsOf(t, p.Scan(nil, nil, false)))
	require.Equal(t, int64(-1), p.Position().Offset)
	require.NoError(t, txn.Commit())
}

func TestLoadIsSeenAfterCommit(t *testing.T) {
	db := openDB(t)
	txn, p := openPartition(t, db, "s", 0)
	require.NoError(t, p.Load([]byte("a"), []byte("1")))
	require.NoError(t, p.Load([]byte("b"), []byte{}))
	require.NoError(t, p.Load([]byte("a"), nil))
	require.NoError(t, txn.Commit())
	require.Equal(t, []string{"b="}, rowsOf(t, p.Scan(nil, nil, false)))
}

func TestIngestWritesLoadedRowsAndThePosition(t *testing.T) {
	for _, rows := range []int{0, 10, 50_000} { // a batch, or files
		db := openDB(t)
		txn, p := openPartition(t, db, "s", 0)
		_, other := openPartition(t, db, "s", 1)
		require.NoError(t, other.Put([]byte("k"), []byte("not committed")))
		for i := range rows {
			require.NoError(t, p.Load(fmt.Appendf(nil, "key-%08d", i/2), fmt.Appendf(nil, "value %d", i)))
		}
		require.NoError(t, p.Load([]byte("gone"), []byte("v")))
		require.NoError(t, p.Load([]byte("gone"), nil))
		p.SetPosition(state.Position{Offset: 7})
		require.NoError(t, p.Ingest())
		require.Zero(t, p.Loaded())

		require.NoError(t, p.Load([]byte("lost"), []byte("v")))
		txn.Abort()
		require.Equal(t, int64(7), p.Position().Offset)
		got := rowsOf(t, p.Scan(nil, nil, false))
		require.Len(t, got, rows/2)
		if rows > 0 {
			require.Equal(t, "key-00000001=value 3", got[1])
		}
		txn.Release(p)
		_, p = openPartition(t, db, "s", 0)
		require.Equal(t, int64(7), p.Position().Offset)
	}
}

func TestPartitionGetAndPutDoNotAllocate(t *testing.T) {
	db := openDB(t)
	txn, p := openPartition(t, db, "s", 0)
	key, value := []byte("key-0000"), bytes.Repeat([]byte("v"), 16)
	put := func() {
		for i := range byte(100) {
			key[7] = i
			require.NoError(t, p.Put(key, value))
		}
	}
	put()
	require.NoError(t, txn.Commit())
	put()
	require.Zero(t, testing.AllocsPerRun(100, func() {
		for i := range byte(100) {
			key[7] = i
			_ = p.Put(key, value)
			if _, ok, _ := p.Get(key); !ok {
				t.Fatal("lost")
			}
		}
	}))
}
