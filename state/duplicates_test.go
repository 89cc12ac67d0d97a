package state_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/thalweg/thalweg/processor"
	"github.com/thalweg/thalweg/serde"
	"github.com/thalweg/thalweg/state"
)

// TestDuplicatesFound compares the store of a join, which remembers what keys it
// may have, with a time-ordered one, which does not: whatever happens to both,
// they find the same.
func TestDuplicatesFound(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		db := openDB(t)
		txn := db.NewTxn()
		type entry = state.WindowEntry[string, int64]
		type logged struct{ key, value []byte }
		var log []logged
		handles := [2]state.WindowHandle[string, int64]{
			state.Window("keys", serde.String, serde.Int64, 10*time.Minute, 5*time.Minute, state.Duplicates()),
			state.Window("times", serde.String, serde.Int64, 10*time.Minute, 5*time.Minute, state.Duplicates(), state.TimeOrdered()),
		}
		var parts [2]*state.Partition
		var stores [2]*state.WindowStore[string, int64]
		reopen := func(i int) {
			env := state.Env{Partition: parts[i], Record: func() state.Record { return state.Record{} }}
			if i == 0 {
				env.Log = func(key, value []byte, _ int64, _ processor.Headers) error {
					log = append(log, logged{append([]byte{}, key...), append([]byte{}, value...)})
					return nil
				}
			}
			stores[i] = handles[i].OpenWindow(env)
		}
		for i, h := range handles {
			var err error
			parts[i], err = txn.Open(h.StoreName(), 0)
			require.NoError(t, err)
			reopen(i)
		}
		key := rapid.SampledFrom([]string{"", "a", "ab", "b"})
		at := rapid.Int64Range(0, 3_000_000)
		n := int64(0)
		r.Repeat(map[string]func(*rapid.T){
			"put": func(r *rapid.T) {
				k, ts := key.Draw(r, "key"), at.Draw(r, "time")
				n++
				for _, s := range stores {
					require.NoError(t, s.Put(k, ts, n, ts))
				}
			},
			"commit": func(*rapid.T) { require.NoError(t, txn.Commit()) },
			"abort": func(*rapid.T) {
				txn.Abort()
				log = nil
			},
			"reopen": func(*rapid.T) {
				reopen(0)
				reopen(1)
			},
			"restore": func(*rapid.T) { // what the first has logged, once more, into empty stores
				require.NoError(t, txn.Commit())
				for i := range stores {
					require.NoError(t, parts[i].Wipe())
					reopen(i)
					for _, l := range log {
						require.NoError(t, stores[i].Restore(l.key, l.value, 0, nil))
					}
				}
				require.NoError(t, txn.Commit())
			},
			"": func(r *rapid.T) {
				k, from := key.Draw(r, "key"), at.Draw(r, "time")
				var got [2][]entry
				for i, s := range stores {
					for e, err := range s.Fetch(k, from, from+900_000) {
						require.NoError(t, err)
						got[i] = append(got[i], e)
					}
				}
				require.Equal(t, got[1], got[0])
			},
		})
	})
}
