package state_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thalweg/thalweg/processor"
	"github.com/thalweg/thalweg/serde"
	"github.com/thalweg/thalweg/state"
)

// versionLog is a versioned store with its changelog, of which needless records
// are deleted with each commit.
type versionLog struct {
	t     *testing.T
	h     state.VersionedHandle[string, string]
	txn   *state.Txn
	part  *state.Partition
	store *state.VersionedStore[string, string]
	log   []processor.RawRecord // from first on
	first int64
}

func newVersionLog(t *testing.T, after int, history time.Duration) *versionLog {
	l := &versionLog{t: t, h: state.Versioned("v", serde.String, serde.String, history, state.RewriteAfter(after))}
	l.txn, l.part = openPartition(t, openDB(t), "v", 0)
	l.open()
	return l
}

func (l *versionLog) open() {
	l.store = l.h.OpenVersioned(state.Env{Partition: l.part, Log: func(key, value []byte, ts int64, h processor.Headers) error {
		l.log = append(l.log, processor.RawRecord{Key: bytes.Clone(key), Value: bytes.Clone(value), Timestamp: ts, Headers: h})
		return nil
	}})
}

func (l *versionLog) commit() {
	l.part.SetPosition(state.Position{Offset: l.first + int64(len(l.log))})
	require.NoError(l.t, l.txn.Commit())
	needed := l.part.Position().Needed()
	l.log, l.first = l.log[needed-l.first:], needed
}

// all are the latest versions.
func (l *versionLog) all() (all []string) {
	for e, err := range l.store.All() {
		require.NoError(l.t, err)
		all = append(all, fmt.Sprint(e))
	}
	return all
}

// move loses the store and restores it.
func (l *versionLog) move() {
	had := l.all()
	defer func() { require.Equal(l.t, had, l.all()) }()
	require.NoError(l.t, l.store.Close())
	require.NoError(l.t, l.part.Wipe())
	l.open()
	l.part.SetPosition(state.Position{Offset: l.first})
	for _, r := range l.log {
		require.NoError(l.t, l.store.Restore(r.Key, r.Value, r.Timestamp, r.Headers))
	}
	l.commit()
}

// What the store has refused, a restore refuses, though the record by which the
// time had moved on is deleted.
func TestRewrittenTime(t *testing.T) {
	l := newVersionLog(t, 1, 100*time.Millisecond)
	put := func(k string, ts, want int64) {
		got, err := l.store.Put(k, k, ts)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	put("a", 1000, state.StillValid)
	_, err := l.store.End("a", 1000) // nothing is left that has that time
	require.NoError(t, err)
	l.commit()
	put("z", 10, state.NotPut) // the first record of the pass that follows
	l.commit()
	put("b", 950, state.StillValid)
	l.commit()
	require.EqualValues(t, 2, l.first)
	l.move()
	require.EqualValues(t, 1000, l.part.Position().Observed)
	_, _, ok, err := l.store.Get("z")
	require.NoError(t, err)
	require.False(t, ok)
}

// The changelog of a store that is written for long stays a small multiple of what
// the store holds, and is what the store is restored from, again and again.
func TestRewrittenChangelogIsBounded(t *testing.T) {
	for _, keys := range []int{20, 2000} {
		t.Run(fmt.Sprintf("%d keys", keys), func(t *testing.T) {
			const after, history = 1000, 1000
			l := newVersionLog(t, after, history*time.Millisecond)
			random := rand.New(rand.NewPCG(1, 0))
			longest, written := 0, 40_000
			live := history + keys // versions: one for each millisecond of the history, and the latest ones
			for i := range written {
				k := fmt.Sprintf("key %d", random.IntN(keys))
				var err error
				if random.IntN(10) == 0 {
					_, err = l.store.End(k, int64(i))
				} else {
					_, err = l.store.Put(k, fmt.Sprint(i), max(0, int64(i)-int64(random.IntN(history/2))))
				}
				require.NoError(t, err)
				if i%100 == 99 {
					l.commit()
					longest = max(longest, len(l.log))
				}
				if i%9_000 == 8_999 {
					l.move()
				}
			}
			t.Logf("%d live versions at most, %d writes, longest changelog %d", live, written, longest)
			require.Less(t, longest, 6*live+2*after)
		})
	}
}
