package log

import "sync"

// flusher makes appends durable in groups: one goroutine syncs, everyone who
// comes meanwhile waits for it and is usually covered by it or the next one.
// Appends never wait for a sync.
type flusher struct {
	mu   sync.Mutex
	busy chan struct{} // closed when the sync under way ends; nil when none is
	err  error         // of a sync: no later one can be believed
}

// FlushTo returns once all records below offset have been synced. Any number
// of goroutines may wait; they share the syncs. After a failed sync every call
// fails, and so does every append, since the kernel may have dropped the
// unsynced pages.
func (l *Log) FlushTo(offset int64) error {
	for l.flushed.Load() < offset {
		if offset > l.logEnd.Load() {
			return ErrOffsetOutOfRange
		}
		if _, err := l.flush.share(l); err != nil {
			return err
		}
	}
	return nil
}

// share runs a sync, or waits for the end of the one under way. It reports
// whether it ran, and thus covers everything appended before. The lock is not
// held meanwhile: appends ask for failures.
func (f *flusher) share(l *Log) (ran bool, err error) {
	f.mu.Lock()
	if f.err != nil {
		f.mu.Unlock()
		return false, f.err
	}
	if wait := f.busy; wait != nil {
		f.mu.Unlock()
		<-wait
		return false, nil
	}
	done := make(chan struct{})
	f.busy = done
	f.mu.Unlock()

	err = l.syncAll()

	f.mu.Lock()
	f.err = err
	f.busy = nil
	f.mu.Unlock()
	close(done)
	return true, err
}

// Flush syncs everything appended so far.
func (l *Log) Flush() error { return l.FlushTo(l.logEnd.Load()) }

// SyncSealed makes the segments that were sealed since the last call durable,
// and notes that in the checkpoint: compaction may then have them, and a restart
// after a crash has only the active segment to scan. It costs nothing when no
// segment was sealed. Call it every second or so, whoever calls FlushTo.
//
// After a failed sync it does nothing; who was told of it first is the one to
// tell.
func (l *Log) SyncSealed() error {
	l.mu.RLock()
	if len(l.segments) == 0 {
		l.mu.RUnlock()
		return ErrClosed
	}
	base, unsynced := l.active().base, len(l.unsynced) > 0
	l.mu.RUnlock()
	if !unsynced && base <= l.recovery.Load() || l.flush.failure() != nil {
		return nil
	}
	if unsynced {
		if err := l.flush.now(l); err != nil {
			return err
		}
	}
	return l.Checkpoint()
}

// failure is the error of a sync that failed.
func (f *flusher) failure() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.err
}

// now syncs everything, new file names included, even when no record is new.
func (f *flusher) now(l *Log) error {
	for {
		if ran, err := f.share(l); ran || err != nil {
			return err
		}
	}
}

// syncAll syncs what was appended before it was called. Only one runs at a
// time.
//
// A sealed segment is synced with its indexes and the directory before the
// flushed offset may pass its end: recovery trusts all of them below it.
func (l *Log) syncAll() error {
	l.mu.RLock()
	if len(l.segments) == 0 {
		l.mu.RUnlock()
		return ErrClosed
	}
	end := l.logEnd.Load()
	active := l.active()
	sealed := l.unsynced
	names, cuts := l.newNames, l.cuts
	active.acquire()
	for _, s := range sealed {
		s.acquire()
	}
	l.mu.RUnlock()

	err := l.syncSegments(sealed, active, names)

	active.release()
	for _, s := range sealed {
		s.release()
	}
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.cuts != cuts {
		return nil // what was synced may be gone and written anew
	}
	l.unsynced = l.unsynced[min(len(sealed), len(l.unsynced)):]
	if names && len(l.unsynced) == 0 {
		l.newNames = false
	}
	l.flushed.Store(max(l.flushed.Load(), end))
	return nil
}

func (l *Log) syncSegments(sealed []*segment, active *segment, names bool) error {
	for _, s := range sealed {
		if err := s.sync(); err != nil {
			return err
		}
	}
	f, err := active.open()
	if err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return storage("sync "+active.name, err)
	}
	if !names {
		return nil
	}
	// The active segment's first snapshot: recovery starts from it.
	if err := syncFile(l.cfg.FS, active.sibling(snapshotSuffix)); err != nil {
		return err
	}
	return storage("sync directory", l.cfg.FS.SyncDir(l.dir))
}
