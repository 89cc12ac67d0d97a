package log

import (
	"errors"
	"io"
	"slices"
)

// DeleteRecords moves the log start to offset, at most to the high watermark,
// and deletes the segments that lie wholly below it. An offset above the high
// watermark is [ErrOffsetOutOfRange], one below the log start changes nothing.
// It returns the log start. The new log start is durable with the next
// Checkpoint; until then a crash may bring deleted records back.
func (l *Log) DeleteRecords(offset int64) (logStart int64, err error) {
	l.writeMu.Lock()
	defer l.writeMu.Unlock()
	if err := l.usable(); err != nil {
		return 0, err
	}
	if offset > l.hw.Load() {
		return l.logStart.Load(), ErrOffsetOutOfRange
	}
	if err := l.advanceStart(offset); err != nil {
		return l.logStart.Load(), err
	}
	return l.logStart.Load(), nil
}

// advanceStart moves the log start and drops segments below it.
func (l *Log) advanceStart(offset int64) error {
	if offset <= l.logStart.Load() {
		return nil
	}
	n := 0
	for n < len(l.segments)-1 && l.segments[n+1].base <= offset {
		n++
	}
	if n > 0 {
		// From now on that snapshot is all that is known of the producers
		// who wrote the deleted records.
		if err := syncFile(l.cfg.FS, l.segments[n].sibling(snapshotSuffix)); err != nil {
			return err
		}
		if err := l.cfg.FS.SyncDir(l.dir); err != nil {
			return storage("sync directory", err)
		}
	}
	l.mu.Lock()
	l.logStart.Store(offset)
	gone := l.segments[:n]
	l.segments = l.segments[n:]
	l.unsynced = slices.DeleteFunc(slices.Clone(l.unsynced), func(s *segment) bool { return s.base < l.segments[0].base })
	l.epochs.truncateStart(offset)
	l.updateStable()
	l.mu.Unlock()
	var errs []error
	for _, s := range gone {
		errs = append(errs, s.remove())
	}
	l.notify()
	return errors.Join(errs...)
}

// TruncateTo removes all batches that end at or above offset: what a follower
// does with records its new leader does not have. Epochs that begin at or
// above the new log end go too, even when no record does. Producer state,
// high watermark and last stable offset follow; transactions whose marker was
// cut off are open again.
func (l *Log) TruncateTo(offset int64) error {
	l.writeMu.Lock()
	defer l.writeMu.Unlock()
	if err := l.usable(); err != nil {
		return err
	}
	if offset < l.logStart.Load() {
		return l.resetTo(offset)
	}
	next := l.epochs
	if next.truncateEnd(offset) {
		if err := l.setEpochs(next); err != nil {
			return err
		}
	}
	if offset >= l.logEnd.Load() {
		return nil
	}
	if err := l.truncate(offset); err != nil {
		return l.fail(err)
	}
	l.notify()
	return nil
}

// truncate cuts the files and rebuilds what follows from them.
func (l *Log) truncate(offset int64) error {
	l.mu.Lock()
	i := l.find(offset)
	s := l.segments[i]
	l.mu.Unlock()
	x, err := l.indexOf(s)
	if err != nil {
		return err
	}
	pos, err := l.locate(s, s.size, offset, nil)
	if err != nil {
		return err
	}
	end, x, err := l.cutIndex(s, x, pos)
	if err != nil {
		return err
	}
	if end < l.logStart.Load() {
		return l.resetTo(l.logStart.Load()) // the batch around the log start went
	}
	// The files are about to be less than the checkpoint says is synced.
	l.mu.Lock()
	l.cuts++
	l.flushed.Store(min(l.flushed.Load(), s.base))
	l.hw.Store(min(l.hw.Load(), end))
	l.cleaned.Store(min(l.cleaned.Load(), s.base))
	l.mu.Unlock()
	if err := l.saveCheckpoint(checkpoint{}); err != nil {
		return err
	}
	if err := l.removeSnapshots(end + 1); err != nil {
		return err
	}
	if err := l.dropSegments(i + 1); err != nil {
		return err
	}
	f, err := s.open()
	if err != nil {
		return err
	}
	if err := f.Truncate(pos); err != nil {
		return storage("truncate segment", err)
	}
	if err := f.Sync(); err != nil {
		return storage("sync truncated segment", err)
	}
	if err := l.cfg.FS.SyncDir(l.dir); err != nil {
		return storage("sync directory", err)
	}
	l.mu.Lock()
	s.size, s.end = pos, end
	if pos == 0 {
		s.firstTS = -1
	}
	s.idx.Store(x)
	l.unsynced = slices.DeleteFunc(slices.Clone(l.unsynced), func(u *segment) bool { return u.base >= s.base })
	l.newNames = true
	l.mu.Unlock()
	prod, err := l.producersAt(end, l.hw.Load())
	if err != nil {
		return err
	}
	l.tail.drop()
	l.hints.drop()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.prod = prod
	l.logEnd.Store(end)
	l.prod.replicated(l.hw.Load())
	l.updateStable()
	return nil
}

// cutIndex returns the index of a segment cut at pos, and its end offset.
func (l *Log) cutIndex(s *segment, x *index, pos int64) (end int64, _ *index, err error) {
	x = x.clone()
	n := len(x.offsets)
	for n > 0 && int64(x.offsets[n-1].pos) >= pos {
		n--
	}
	x.offsets = x.offsets[:n]
	from := int64(0)
	if n > 0 {
		from = int64(x.offsets[n-1].pos)
	}
	end = s.base
	c := s.scan(from, pos)
	x.maxTS, x.maxTSRel = -1, 0
	var late []timeEntry // of batches behind the last offset entry
	for {
		v, _, err := c.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return 0, nil, err
		}
		end = v.NextOffset()
		late = append(late, timeEntry{v.MaxTimestamp(), relative(v.LastOffset(), s.base)})
	}
	n = len(x.times)
	for n > 0 && s.base+int64(x.times[n-1].rel) >= end {
		n--
	}
	x.times = x.times[:n]
	if n > 0 {
		x.maxTS, x.maxTSRel = x.times[n-1].ts, x.times[n-1].rel
	}
	for _, e := range late {
		if e.ts > x.maxTS {
			x.maxTS, x.maxTSRel = e.ts, e.rel
		}
	}
	n = len(x.aborted)
	for n > 0 && x.aborted[n-1].lastOffset >= end {
		n--
	}
	x.aborted = x.aborted[:n]
	x.sinceEntry = int(pos - from)
	return end, x, nil
}

// Reset empties the log and starts it at offset: for a follower whose records
// its leader has none of.
func (l *Log) Reset(offset int64) error {
	l.writeMu.Lock()
	defer l.writeMu.Unlock()
	if err := l.usable(); err != nil {
		return err
	}
	if err := l.resetTo(offset); err != nil {
		return l.fail(err)
	}
	l.notify()
	return nil
}

func (l *Log) resetTo(offset int64) error {
	if err := l.removeSnapshots(0); err != nil {
		return err
	}
	l.mu.Lock()
	old := l.segments
	l.cuts++
	l.flushed.Store(0)
	l.cleaned.Store(0)
	l.mu.Unlock()
	if err := l.saveCheckpoint(checkpoint{}); err != nil {
		return err
	}
	for _, s := range old {
		if err := s.remove(); err != nil {
			return err
		}
	}
	s, err := createSegment(l.cfg.FS, l.dir, offset)
	if err != nil {
		return err
	}
	s.created = l.cfg.Now().UnixMilli()
	if err := l.setEpochs(nil); err != nil {
		return err
	}
	l.tail.drop()
	l.hints.drop()
	l.mu.Lock()
	l.segments = []*segment{s}
	l.prod = newProducers()
	l.unsynced, l.newNames = nil, true
	l.logStart.Store(offset)
	l.logEnd.Store(offset)
	l.hw.Store(offset)
	l.lso.Store(offset)
	l.flushed.Store(offset)
	l.mu.Unlock()
	if err := l.cfg.FS.SyncDir(l.dir); err != nil {
		return storage("sync directory", err)
	}
	return l.saveCheckpoint(checkpoint{})
}
