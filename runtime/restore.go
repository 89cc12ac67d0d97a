package runtime

import (
	"errors"
	"fmt"
	"time"

	"github.com/thalweg/thalweg/internal/batch"
	"github.com/thalweg/thalweg/internal/task"
	"github.com/thalweg/thalweg/runtime/internal/fetch"
	"github.com/thalweg/thalweg/state"
)

// RestoreProgress says how far the restoring of one store-partition has come.
type RestoreProgress struct {
	Store     string
	Partition int32
	Changelog string
	Start     int64 // the first offset read
	Position  int64 // the next offset to be read
	End       int64 // restored when Position is there
	Records   int64 // applied so far
	Done      bool
	Elapsed   time.Duration
}

// restoreBatch is how much is loaded between two writes to the engine.
const restoreBatch = 4 << 20

// restoring replays one changelog partition into one store.
//
// The end is the high watermark at a time when the task's input offsets were
// already final, read as committed records only: whatever belongs to those
// offsets lies below it, and is decided once the position passes it. The
// position counts, not the records: a changelog ends in markers, aborted
// records, or batches that compaction emptied.
type restoring struct {
	store    *task.Store
	topicID  [16]byte
	cursor   *fetch.Cursor
	reader   reader
	progress RestoreProgress
	began    time.Time
	chunks   []fetch.Chunk
	epoch    int32 // of the last batch loaded
}

// step loads what was fetched and reports whether the store is complete.
func (r *restoring) step(txn *state.Txn, note func(RestoreProgress)) (done bool, err error) {
	var st fetch.Status
	r.chunks, st = r.cursor.Take(r.chunks[:0])
	if st.Err != nil {
		return false, fmt.Errorf("runtime: restoring store %q partition %d from %s: %w", r.progress.Store, r.progress.Partition, r.progress.Changelog, st.Err)
	}
	for _, c := range r.chunks {
		if err := r.load(c); err != nil {
			return false, fmt.Errorf("runtime: restoring store %q partition %d from %s: %w", r.progress.Store, r.progress.Partition, r.progress.Changelog, err)
		}
		r.cursor.Release(c.Bytes)
		r.progress.Position = c.Next
		if n := len(c.Batches); n > 0 {
			r.epoch = c.Batches[n-1].LeaderEpoch()
		}
		r.store.Partition.SetPosition(state.Position{TopicID: r.topicID, Offset: c.Next, LeaderEpoch: r.epoch})
		if txn.Size() > restoreBatch {
			if err := txn.Commit(); err != nil {
				return false, err
			}
		}
	}
	if len(r.chunks) > 0 {
		clear(r.chunks)
		r.progress.Elapsed = time.Since(r.began)
		note(r.progress)
	}
	if r.progress.Position < r.progress.End {
		return false, nil
	}
	r.progress.Done, r.progress.Elapsed = true, time.Since(r.began)
	note(r.progress)
	return true, txn.Commit()
}

func (r *restoring) load(c fetch.Chunk) error {
	b := r.reader.batch(r.cursor, fetch.Chunk{Batches: c.Batches, From: c.From, Next: c.Next})
	var rec task.Record
	for {
		ok, err := b.Next(&rec)
		if err != nil || !ok {
			return err
		}
		if rec.Key == nil {
			continue // not a changelog record
		}
		if err := r.store.Store.Restore(rec.Key, rec.Value, rec.Timestamp, rec.Headers); err != nil {
			return err
		}
		r.progress.Records++
	}
}

// stale reports an error after which local state has to be dropped and restored
// from the beginning.
func stale(err error) bool {
	return errors.Is(err, fetch.ErrOutOfRange) || errors.As(err, new(*batch.CorruptError))
}
