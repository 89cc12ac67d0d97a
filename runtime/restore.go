package runtime

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	goruntime "runtime"
	"sync/atomic"
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

// restorer is what the restores of a process share: the quarter of StateMemory
// that is left by the engine and the caches, and the processors.
type restorer struct {
	memory  int64
	active  atomic.Int32  // restores under way
	writing chan struct{} // holds a token for each restore that sorts and writes
	note    func(RestoreProgress)
}

func newRestorer(cfg *Config, note func(RestoreProgress)) *restorer {
	return &restorer{memory: cfg.StateMemory / 4, writing: make(chan struct{}, goruntime.GOMAXPROCS(0)), note: note}
}

// largestShare bounds the time that a write takes, for which the end of a task
// has to wait.
const largestShare = 64 << 20

// share is how much each restore may hold in memory.
func (r *restorer) share() int {
	return int(min(largestShare, r.memory/int64(max(1, r.active.Load()))))
}

// restoring replays one changelog partition into one store, in a goroutine of
// its own, which the store-partition belongs to until then.
//
// The end is the high watermark at a time when the task's input offsets were
// already final, read as committed records only: whatever belongs to those
// offsets lies below it, and is decided once the position passes it. The
// position counts, not the records: a changelog ends in markers, aborted
// records, or batches that compaction emptied.
//
// Rows are collected up to the restore's share of the memory, and reach the
// engine with the position after them in one step.
type restoring struct {
	shared   *restorer
	store    *task.Store
	topicID  [16]byte
	add      func(offset int64, reset fetch.Reset) *fetch.Cursor
	remove   func(*fetch.Cursor)
	logger   *slog.Logger
	cursor   *fetch.Cursor
	wake     chan struct{}
	reader   reader
	progress RestoreProgress
	began    time.Time
	chunks   []fetch.Chunk
	epoch    int32 // of the last batch loaded
}

// run restores the store and reports what went wrong, if anything.
func (r *restoring) run(ctx context.Context) error {
	r.shared.active.Add(1)
	defer r.shared.active.Add(-1)
	r.cursor = r.add(r.progress.Start, fetch.Refuse)
	defer func() {
		r.remove(r.cursor)
		r.reader.decompressor.Close()
	}()
	for {
		done, err := r.step(ctx)
		switch {
		case stale(err):
			r.logger.Warn("local state dropped, restoring from the beginning of the changelog", "store", r.progress.Store, "partition", r.progress.Partition, "err", err)
			if err := r.store.Partition.Wipe(); err != nil {
				return err
			}
			return errWiped
		case err != nil:
			return fmt.Errorf("runtime: restoring store %q partition %d from %s: %w", r.progress.Store, r.progress.Partition, r.progress.Changelog, err)
		case done:
			if r.progress.Records > 0 {
				r.logger.Info("restored", "store", r.progress.Store, "partition", r.progress.Partition, "records", r.progress.Records, "took", r.progress.Elapsed)
			}
			return nil
		default:
			select {
			case <-r.wake:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}
}

// step loads what was fetched and reports whether the store is complete.
func (r *restoring) step(ctx context.Context) (done bool, err error) {
	var st fetch.Status
	r.chunks, st = r.cursor.Take(r.chunks[:0])
	if st.Err != nil {
		return false, st.Err
	}
	for _, c := range r.chunks {
		// The store notes from where on it needs the changelog.
		r.store.Partition.SetPosition(state.Position{TopicID: r.topicID, Offset: c.From, LeaderEpoch: r.epoch})
		if err := r.load(c); err != nil {
			return false, err
		}
		r.cursor.Release(c.Bytes)
		r.progress.Position = c.Next
		if n := len(c.Batches); n > 0 {
			r.epoch = c.Batches[n-1].LeaderEpoch()
		}
		r.store.Partition.SetPosition(state.Position{TopicID: r.topicID, Offset: c.Next, LeaderEpoch: r.epoch})
		if r.store.Partition.Loaded() > r.shared.share() {
			if err := r.write(ctx); err != nil {
				return false, err
			}
		}
	}
	if len(r.chunks) > 0 {
		clear(r.chunks)
		r.progress.Elapsed = time.Since(r.began)
		r.shared.note(r.progress)
	}
	if r.progress.Position < r.progress.End {
		return false, nil
	}
	if err := r.write(ctx); err != nil {
		return false, err
	}
	r.progress.Done, r.progress.Elapsed = true, time.Since(r.began)
	r.shared.note(r.progress)
	return true, nil
}

// write brings what is loaded into the engine.
func (r *restoring) write(ctx context.Context) error {
	select {
	case r.shared.writing <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-r.shared.writing }()
	return r.store.Partition.Ingest()
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

// errWiped says that a store was wiped, and has to be opened again before it is
// restored.
var errWiped = errors.New("runtime: local state was dropped")

// stale reports an error after which local state has to be dropped and restored
// from the beginning.
func stale(err error) bool {
	return errors.Is(err, fetch.ErrOutOfRange) || errors.As(err, new(*batch.CorruptError))
}
