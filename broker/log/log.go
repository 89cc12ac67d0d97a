// Package log stores one partition: record batches as they arrived, in the
// files Kafka uses (DumpLogSegments can read them), with what is needed to
// find them again.
//
// A directory holds, for each segment, named by its base offset:
//
//	.log                     batches back to back
//	.index .timeindex        sparse: offset and time to position
//	.txnindex                aborted transactions
//	.snapshot                producer state at that offset
//
// and for the partition leader-epoch-checkpoint, partition.metadata and
// checkpoint.
//
// Invariants:
//   - 0 ≤ log start ≤ high watermark ≤ log end, and last stable ≤ high
//     watermark;
//   - offsets of batches increase; what a reader was given below the high
//     watermark never changes until it is deleted from the front;
//   - what [Log.FlushTo] confirmed survives a crash of the machine, everything
//     appended survives a crash of the process;
//   - the state of a reopened log (offsets, producers, open and aborted
//     transactions, epochs) equals that of the log when it stopped, as far as
//     its batches survived.
//
// Locks, in this order: cleanMu lets one compaction run at a time; writeMu
// serialises everything that changes the log and is held during I/O; mu guards
// what readers look at and is never held during I/O. Offsets are also atomics,
// so that asking for them takes no lock.
package log

import (
	"path/filepath"
	"slices"
	"sort"
	"sync"
	"sync/atomic"

	"github.com/thalweg/thalweg/broker/log/vfs"
	"github.com/thalweg/thalweg/internal/batch"
)

// Log is the storage of one partition. All methods are safe for concurrent
// use; changes are serialised inside.
type Log struct {
	cfg Config
	dir string

	cleanMu sync.Mutex // held by a compaction, before writeMu
	writeMu sync.Mutex
	failed  error      // writeMu: the storage error that ended writing
	closed  bool       // writeMu
	saved   checkpoint // writeMu: as last written
	views   []batch.View

	mu       sync.RWMutex
	segments []*segment // by base offset; the last is active
	prod     *producers
	epochs   epochs
	unsynced []*segment // sealed since the last flush
	newNames bool       // files were created or renamed since the last flush
	cuts     int        // how often records were removed from the end

	logStart atomic.Int64
	logEnd   atomic.Int64
	hw       atomic.Int64
	lso      atomic.Int64
	flushed  atomic.Int64
	recovery atomic.Int64 // flushed, as last saved; changes under writeMu
	cleaned  atomic.Int64 // changes under writeMu

	flush flusher
	tail  tail
	hints hints
}

// Offsets are the positions of a log, taken one by one without a lock.
type Offsets struct {
	LogStart, LastStable, HighWatermark, LogEnd int64
}

// Offsets returns all positions.
func (l *Log) Offsets() Offsets {
	return Offsets{l.logStart.Load(), l.lso.Load(), l.hw.Load(), l.logEnd.Load()}
}

// LogStart is the first offset that may be read.
func (l *Log) LogStart() int64 { return l.logStart.Load() }

// LogEnd is the offset the next record gets.
func (l *Log) LogEnd() int64 { return l.logEnd.Load() }

// HighWatermark is the offset below which records are committed, the bound of
// what consumers read.
func (l *Log) HighWatermark() int64 { return l.hw.Load() }

// LastStable is the offset below which no record belongs to a transaction
// whose end is not committed; the bound of read_committed consumers.
func (l *Log) LastStable() int64 { return l.lso.Load() }

// Flushed is the offset below which records have been synced.
func (l *Log) Flushed() int64 { return l.flushed.Load() }

// Dir is the log's directory.
func (l *Log) Dir() string { return l.dir }

// Size is the number of bytes in the .log files.
func (l *Log) Size() int64 {
	l.mu.RLock()
	defer l.mu.RUnlock()
	var n int64
	for _, s := range l.segments {
		n += s.size
	}
	return n
}

// Segments is the number of segments.
func (l *Log) Segments() int {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return len(l.segments)
}

// SetHighWatermark moves the high watermark to offset, at most to the log end,
// and the last stable offset with it. It never goes back. It reports whether
// it moved.
func (l *Log) SetHighWatermark(offset int64) bool {
	if offset <= l.hw.Load() {
		return false
	}
	l.mu.Lock()
	offset = min(offset, l.logEnd.Load())
	moved := offset > l.hw.Load()
	if moved {
		l.hw.Store(offset)
		l.prod.replicated(offset)
		l.updateStable()
	}
	l.mu.Unlock()
	if moved {
		l.notify()
	}
	return moved
}

// updateStable recomputes the last stable offset; mu is held.
//
// A marker above the high watermark releases nothing: were the leader lost
// now, the transaction would be open again.
func (l *Log) updateStable() {
	lso := min(l.hw.Load(), l.prod.firstUnstable())
	l.lso.Store(max(lso, l.logStart.Load()))
}

func (l *Log) notify() {
	if l.cfg.Notify != nil {
		l.cfg.Notify(l.Offsets())
	}
}

// usable reports why the log cannot be changed; writeMu is held.
func (l *Log) usable() error {
	if l.closed {
		return ErrClosed
	}
	if l.failed == nil {
		if err := l.flush.failure(); err != nil {
			return l.fail(err)
		}
	}
	return l.failed
}

// fail ends writing after an error that leaves the files in doubt; writeMu is
// held.
func (l *Log) fail(err error) error {
	if l.failed == nil {
		l.failed = err
		l.cfg.Logger.Error("log: storage failed, no more writes", "dir", l.dir, "err", err)
	}
	return err
}

func (l *Log) active() *segment { return l.segments[len(l.segments)-1] }

// find returns the index of the segment that contains offset, the first one
// when offset lies before all; mu is held.
func (l *Log) find(offset int64) int {
	i := sort.Search(len(l.segments), func(i int) bool { return l.segments[i].base > offset })
	return max(i-1, 0)
}

// Close flushes the log and closes its files, also when it fails. A log that
// was closed without error reopens without a scan; one whose storage had failed
// returns that error again.
func (l *Log) Close() error {
	l.writeMu.Lock()
	defer l.writeMu.Unlock()
	if l.closed {
		return nil
	}
	err := l.failed
	if err == nil {
		err = l.closeClean()
	}
	l.release()
	return err
}

func (l *Log) closeClean() error {
	active := l.active()
	mark := checkpoint{clean: true, activeBase: active.base, activeSize: active.size}
	if l.stillClean() {
		return l.saveCheckpoint(mark)
	}
	if err := l.markDirty(); err != nil {
		return err
	}
	if err := active.writeIndex(); err != nil {
		return err
	}
	if active.size > 0 { // else rolling wrote one, which must not be risked
		name := l.path(fileName(l.logEnd.Load(), snapshotSuffix))
		if err := writeWhole(l.cfg.FS, name, l.prod.encode()); err != nil {
			return err
		}
		if err := syncFile(l.cfg.FS, name); err != nil {
			return err
		}
	}
	l.mu.Lock()
	l.unsynced = append(l.unsynced, active)
	l.newNames = true
	l.mu.Unlock()
	if err := l.flush.now(l); err != nil {
		return err
	}
	return l.saveCheckpoint(mark)
}

// release gives up files and memory; writeMu is held.
func (l *Log) release() {
	l.closed = true
	l.tail.drop()
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range l.segments {
		s.release()
	}
	l.segments = nil
}

// Destroy closes the log and deletes its directory. Reads in progress finish.
func (l *Log) Destroy() error {
	l.writeMu.Lock()
	defer l.writeMu.Unlock()
	if !l.closed {
		l.release()
	}
	if err := l.cfg.FS.RemoveAll(l.dir); err != nil {
		return storage("delete log", err)
	}
	return storage("delete log", l.cfg.FS.SyncDir(filepath.Dir(l.dir)))
}

// AssignEpoch notes durably that records from start on are of a leader's
// epoch. A new leader calls it with its log end before it appends. An epoch
// that is already known changes nothing; an older one is [ErrStaleEpoch].
func (l *Log) AssignEpoch(epoch int32, start int64) error {
	l.writeMu.Lock()
	defer l.writeMu.Unlock()
	if err := l.usable(); err != nil {
		return err
	}
	return l.assignEpoch(epoch, start)
}

func (l *Log) assignEpoch(epoch int32, start int64) error {
	latest := l.epochs.latest()
	if epoch == latest {
		return nil
	}
	if epoch < latest {
		return ErrStaleEpoch
	}
	next := slices.Clone(l.epochs)
	next.assign(epoch, start)
	return l.setEpochs(next)
}

const epochFile = "leader-epoch-checkpoint"

// setEpochs replaces the epoch cache, on disk first; writeMu is held.
func (l *Log) setEpochs(next epochs) error {
	if err := vfs.WriteFile(l.cfg.FS, l.path(epochFile), next.encode(), true); err != nil {
		return storage("write "+epochFile, err)
	}
	l.mu.Lock()
	l.epochs = next
	l.mu.Unlock()
	return nil
}

// LatestEpoch is the newest leader epoch the log has seen, -1 for none.
func (l *Log) LatestEpoch() int32 {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.epochs.latest()
}

// Epochs returns a copy of the leader-epoch cache.
func (l *Log) Epochs() []EpochEntry {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return append([]EpochEntry(nil), l.epochs...)
}

// EpochAt is the leader epoch of the record at offset, -1 when unknown.
func (l *Log) EpochAt(offset int64) int32 {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.epochs.at(offset)
}

// EndOffsetFor returns the largest known epoch not above epoch and its end
// offset, as OffsetForLeaderEpoch and follower truncation need it. An epoch
// above the newest gives (-1, -1).
func (l *Log) EndOffsetFor(epoch int32) (known int32, end int64) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.epochs.endOffsetFor(epoch, l.logEnd.Load())
}
