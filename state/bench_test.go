package state_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thalweg/thalweg/serde"
	"github.com/thalweg/thalweg/state"
	"github.com/thalweg/thalweg/state/mem"
	"github.com/thalweg/thalweg/state/pebble"
)

// benchKeys returns keys of which a benchmark takes the next one each time.
func benchKeys(n int) []string {
	keys := make([]string, n)
	for i := range keys {
		keys[i] = fmt.Sprintf("key-%06d", i)
	}
	return keys
}

func BenchmarkUncachedAggregateUpdate(b *testing.B) {
	txn, p := openPartition(b, openDB(b), "kv", 0)
	s := state.Timestamped("kv", serde.String, serde.Int64).OpenKV(state.Env{Partition: p})
	keys := benchKeys(10_000)
	i := 0
	b.ReportAllocs()
	for b.Loop() {
		k := keys[i%len(keys)]
		v, ts, _, _ := s.Get(k)
		_ = s.Put(k, v+1, ts)
		if i++; i%50_000 == 0 {
			require.NoError(b, txn.Commit())
		}
	}
}

func BenchmarkCachedAggregateUpdate(b *testing.B) {
	_, p := openPartition(b, openDB(b), "kv", 0)
	s := state.Timestamped("kv", serde.String, serde.Int64, state.Cached()).
		OpenKV(state.Env{Partition: p, Cache: state.NewCache(1 << 30)})
	keys := benchKeys(10_000)
	i := 0
	b.ReportAllocs()
	for b.Loop() {
		k := keys[i%len(keys)]
		v, ts, _, _ := s.Get(k)
		_ = s.Put(k, v+1, ts)
		i++
	}
}

// A stream-stream join puts each record once and fetches its key's records of
// the window from the other side's store.
func BenchmarkJoinWindowPutAndFetch(b *testing.B) {
	txn, p := openPartition(b, openDB(b), "w", 0)
	s := state.Window("w", serde.String, serde.Int64, 10*time.Minute, 10*time.Minute, state.Duplicates()).
		OpenWindow(state.Env{Partition: p})
	keys := benchKeys(10_000)
	i := int64(0)
	b.ReportAllocs()
	for b.Loop() {
		k := keys[i%int64(len(keys))]
		if err := s.Put(k, i*10, i, i*10); err != nil {
			b.Fatal(err)
		}
		for _, err := range s.Fetch(k, max(0, i*10-300_000), i*10+300_000) {
			if err != nil {
				b.Fatal(err)
			}
		}
		if i++; i%10_000 == 0 {
			require.NoError(b, txn.Commit())
		}
	}
}

func BenchmarkRestore(b *testing.B) {
	txn, p := openPartition(b, openDB(b), "kv", 0)
	s := state.Timestamped("kv", serde.String, serde.Int64).OpenKV(state.Env{Partition: p})
	keys := benchKeys(100_000)
	value := make([]byte, 8)
	var key []byte
	i := 0
	b.ReportAllocs()
	for b.Loop() {
		key = append(key[:0], keys[i%len(keys)]...)
		if err := s.Restore(key, value, int64(i), nil); err != nil {
			b.Fatal(err)
		}
		if i++; i%10_000 == 0 {
			require.NoError(b, txn.Commit())
		}
	}
}

// Claim: the tasks of a worker cost one write of the local engine for each commit,
// not one each. A worker has a hundred tasks here that have written ten rows each.
func BenchmarkCommitOfManyTasks(b *testing.B) {
	const tasks, rows = 100, 10
	for _, backend := range []state.Backend{mem.New(), pebble.Dir(b.TempDir())} {
		for _, together := range []bool{true, false} {
			b.Run(fmt.Sprintf("%s/together=%v", backend.Name(), together), func(b *testing.B) {
				db, err := state.Open(backend, state.Options{})
				require.NoError(b, err)
				defer db.Close()
				worker := db.NewTxn()
				txns := []*state.Txn{worker}
				var parts []*state.Partition
				for n := range int32(tasks) {
					txn, p := openPartition(b, db, "s", n)
					if parts = append(parts, p); together {
						worker.Join(txn)
					} else {
						txns = append(txns, txn)
					}
				}
				keys := benchKeys(10_000)
				i := 0
				for b.Loop() {
					i++
					for n, p := range parts {
						for r := range rows {
							if err := p.Put([]byte(keys[(i*7919+n*rows+r)%len(keys)]), []byte("a value of some length")); err != nil {
								b.Fatal(err)
							}
						}
						p.SetPosition(state.Position{Offset: int64(i)})
					}
					for _, txn := range txns {
						if err := txn.Commit(); err != nil {
							b.Fatal(err)
						}
					}
				}
				for _, p := range parts {
					worker.Release(p)
				}
			})
		}
	}
}
