package dsl

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/thalweg/thalweg/processor"
	"github.com/thalweg/thalweg/state"
	"github.com/thalweg/thalweg/state/mem"
)

type loggedRow struct {
	key, value []byte
	ts         int64
	headers    processor.Headers
}

// bufferWorld is a buffer with its part of the local engine, and its changelog.
type bufferWorld struct {
	db   *state.DB
	txn  *state.Txn
	part *state.Partition
	*buffer
	log []loggedRow
}

// begin opens the buffer as a task that starts.
func (w *bufferWorld) begin(rt *rapid.T) {
	w.txn = w.db.NewTxn()
	var err error
	w.part, err = w.txn.Open("b", 0)
	require.NoError(rt, err)
	store, err := newBufferHandle("b", nil).Open(state.Env{
		Partition: w.part,
		Log: func(key, value []byte, ts int64, h processor.Headers) error {
			w.log = append(w.log, loggedRow{bytes.Clone(key), bytes.Clone(value), ts, h})
			return nil
		},
	})
	require.NoError(rt, err)
	w.buffer = store.(*buffer)
}

// die gives up everything that the engine does not have, and begins again.
func (w *bufferWorld) die(rt *rapid.T) {
	require.NoError(rt, w.Close())
	w.txn.Release(w.part)
	w.begin(rt)
}

func (w *bufferWorld) position() int { return max(0, int(w.part.Position().Offset)) }

// restore goes on with the changelog where the engine is, and dies on the way.
func (w *bufferWorld) restore(rt *rapid.T) {
	for at := w.position(); at < len(w.log); {
		r := w.log[at]
		require.NoError(rt, w.Restore(r.key, r.value, r.ts, r.headers))
		at++
		w.part.SetPosition(state.Position{Offset: int64(at)})
		switch rapid.IntRange(0, 5).Draw(rt, "meanwhile") {
		case 0, 1:
			require.NoError(rt, w.part.Ingest())
		case 2:
			w.die(rt)
			at = w.position()
		}
	}
	require.NoError(rt, w.part.Ingest())
	if rapid.Bool().Draw(rt, "dies at once") {
		w.die(rt)
		require.Equal(rt, len(w.log), w.position())
	}
}

// content is what the buffer holds, by key, and checks that it is held in order.
func (w *bufferWorld) content(rt *rapid.T) map[string]bufferEntry {
	got, size := map[string]bufferEntry{}, int64(0)
	var before *bufferEntry
	w.order.Scan(func(e *bufferEntry) bool {
		require.True(rt, before == nil || before.before(e))
		require.Same(rt, e, w.byKey[e.key])
		before, got[e.key], size = e, *e, size+e.size()
		return true
	})
	require.Len(rt, w.byKey, len(got))
	require.Equal(rt, size, w.size)
	return got
}

// TestBufferRestored: at every instant at which a process can die, what a buffer has
// in the engine and what its changelog has from the stored position on are what it
// held at the last commit.
func TestBufferRestored(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		db, err := state.Open(mem.New(), state.Options{})
		require.NoError(rt, err)
		w := &bufferWorld{db: db}
		w.begin(rt)
		committed, logged := w.content(rt), 0
		for range rapid.IntRange(1, 40).Draw(rt, "steps") {
			switch rapid.IntRange(0, 9).Draw(rt, "step") {
			case 0, 1: // a commit, in the log at least
				require.NoError(rt, w.Flush())
				committed, logged = w.content(rt), len(w.log)
				if rapid.Bool().Draw(rt, "dies before the local commit") {
					w.die(rt)
					w.restore(rt)
				} else {
					w.part.SetPosition(state.Position{Offset: int64(len(w.log))})
					require.NoError(rt, w.txn.Commit())
				}
			case 2: // an abort
				w.log = w.log[:logged]
				w.die(rt)
			case 3: // another machine
				w.log = w.log[:logged]
				require.NoError(rt, w.part.Wipe())
				w.die(rt)
				w.restore(rt)
			case 4:
				if e := w.first(); e != nil {
					w.remove(e)
				}
				continue
			default:
				key := rapid.SampledFrom([]string{"a", "b", "c", "d"}).Draw(rt, "key")
				at := rapid.Int64Range(0, 9).Draw(rt, "time")
				w.put([]byte(key), at, bufferValue{rec: state.Record{Topic: "t", Timestamp: at, Headers: processor.Headers{}}, old: []byte("o"), new: []byte(rapid.StringMatching(`[x-z]{1,2}`).Draw(rt, "new"))})
				continue
			}
			require.Equal(rt, rowsOf(committed), rowsOf(w.content(rt)))
		}
		require.NoError(rt, w.Close())
		w.txn.Release(w.part)
		require.NoError(rt, db.Close())
	})
}

// rowsOf is what of a buffer's content survives: nobody tells nil headers from none.
func rowsOf(m map[string]bufferEntry) map[string]string {
	rows := map[string]string{}
	for k, e := range m {
		rows[k] = string(e.row(nil))
	}
	return rows
}
