package log

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"

	"github.com/thalweg/thalweg/internal/batch"
)

// Recovery decides what of a log's files to believe.
//
// After a clean closing everything is. Otherwise segments that end below the
// recovery point were synced with their indexes and are believed; the others
// are scanned, each checksum, and their indexes rebuilt. At the first batch
// that is not intact:
//
//   - below the recovery point, it was synced: this is damage, and refused;
//   - above it, but the machine has not restarted and intact batches follow:
//     a killed process leaves its writes in order, so this is damage as well;
//   - otherwise it is the torn tail of writes that were never confirmed: the
//     file is cut there and later segments are deleted, since nothing may be
//     visible behind a hole.
//
// Producer state is the newest intact snapshot at or below where the scan
// starts, and the batches from there on.

// recover brings segments, indexes and producer state in order and reports
// whether the log had been closed cleanly.
func (l *Log) recover(ckpt checkpoint) (clean bool, err error) {
	last := l.active()
	if ckpt.clean && ckpt.activeBase == last.base && ckpt.activeSize == last.size && l.loadActive(last) {
		l.prod, err = l.producersAt(last.end, ckpt.highWatermark)
		return true, err
	}
	// A segment that ends exactly at the recovery point may have been sealed
	// after that flush: its records are synced, its indexes are not.
	from := len(l.segments) - 1
	for from > 0 && l.segments[from].base >= ckpt.recovery {
		from--
	}
	if l.prod, err = l.producersAt(l.segments[from].base, ckpt.highWatermark); err != nil {
		return false, err
	}
	for i := from; i < len(l.segments); i++ {
		// The snapshot may be damaged. Once the segments before are deleted,
		// it is all there is; the first one has been synced therefore.
		if s := l.segments[i]; i > 0 {
			if err := writeWhole(l.cfg.FS, s.sibling(snapshotSuffix), l.prod.encode()); err != nil {
				return false, err
			}
		}
		if err := l.scanSegment(i, ckpt); err != nil {
			return false, err
		}
	}
	if end := l.active().end; end < ckpt.recovery {
		return false, l.active().corrupt(l.active().size,
			fmt.Errorf("log ends at offset %d, but everything below %d had been synced", end, ckpt.recovery))
	}
	return false, l.settle(from)
}

// settle makes a recovered log durable before it goes online. Snapshots above
// the log end describe batches that are gone.
func (l *Log) settle(from int) error {
	if err := l.removeSnapshots(l.active().end + 1); err != nil {
		return err
	}
	for i, s := range l.segments[from:] {
		if from+i < len(l.segments)-1 {
			if err := s.writeIndex(); err != nil {
				return err
			}
		}
		if err := s.sync(); err != nil {
			return err
		}
	}
	return storage("sync directory", l.cfg.FS.SyncDir(l.dir))
}

// loadActive takes the index of a cleanly closed active segment from its files
// and finds the log end. It reports false when the segment must be scanned.
func (l *Log) loadActive(s *segment) bool {
	x, err := s.readIndex()
	if err != nil {
		l.cfg.Logger.Warn("log: index cannot be used, scanning the segment", "file", s.name, "err", err)
		return false
	}
	var pos int64
	if n := len(x.offsets); n > 0 {
		pos = int64(x.offsets[n-1].pos)
	}
	c := s.scan(pos, s.size)
	end := s.base
	for {
		v, _, err := c.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return false
		}
		end = v.NextOffset()
	}
	if s.size > 0 {
		v, _, err := s.scan(0, s.size).next()
		if err != nil {
			return false
		}
		s.firstTS = v.MaxTimestamp()
	}
	x.sinceEntry = int(s.size - pos)
	s.end = end
	s.idx.Store(x)
	return true
}

// scanSegment checks every batch of the i-th segment, rebuilds its index and
// moves the producer state on. A torn tail is cut off.
func (l *Log) scanSegment(i int, ckpt checkpoint) error {
	s := l.segments[i]
	size := s.size
	s.size, s.end, s.firstTS = 0, s.base, -1
	x := newIndex()
	s.idx.Store(x)
	now := l.cfg.Now().UnixMilli()
	c := s.scan(0, size)
	for {
		v, pos, err := c.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil {
			err = s.checkStored(v, pos)
		}
		if err == nil {
			err = l.applyBatch(s, x, v, now)
		}
		if err == nil {
			continue
		}
		var damage *CorruptionError
		if !errors.As(err, &damage) {
			return err
		}
		return l.cutTail(i, size, damage, ckpt)
	}
	if i+1 == len(l.segments) || s.end == l.segments[i+1].base {
		return nil
	}
	hole := &CorruptionError{File: s.name, Position: size,
		Err: fmt.Errorf("segment ends at offset %d, the next begins at %d", s.end, l.segments[i+1].base)}
	if s.end > l.segments[i+1].base {
		return hole
	}
	return l.cutTail(i, size, hole, ckpt)
}

// checkStored is what must hold for a batch read back at the segment's end.
func (s *segment) checkStored(v batch.View, pos int64) error {
	err := v.Validate()
	if err == nil && (v.BaseOffset() < s.end || v.LastOffset()-s.base > math.MaxInt32) {
		err = fmt.Errorf("batch at offset %d where %d is expected", v.BaseOffset(), s.end)
	}
	if err == nil {
		_, _, err = v.Marker()
	}
	if err != nil {
		return s.corrupt(pos, err)
	}
	return nil
}

// cutTail cuts the i-th segment where damage was found, or refuses to.
// s.size and s.end are at the end of the intact part.
func (l *Log) cutTail(i int, size int64, damage *CorruptionError, ckpt checkpoint) error {
	s := l.segments[i]
	if s.end < ckpt.recovery {
		return damage
	}
	if same := ckpt.incarnation; same != "" && same == l.cfg.FS.Incarnation() {
		follows, err := l.intactAfter(i, size)
		if err != nil {
			return err
		}
		if follows {
			return damage
		}
	}
	l.cfg.Logger.Warn("log: cutting off a torn tail", "file", s.name, "position", s.size,
		"bytes", size-s.size, "log end", s.end, "reason", damage.Err)
	f, err := s.open()
	if err != nil {
		return err
	}
	if err := f.Truncate(s.size); err != nil {
		return storage("cut torn tail", err)
	}
	return l.dropSegments(i + 1)
}

// intactAfter reports whether a whole batch lies behind the intact part of the
// i-th segment.
func (l *Log) intactAfter(i int, size int64) (bool, error) {
	s := l.segments[i]
	for _, later := range l.segments[i+1:] {
		if later.size > 0 {
			return true, nil
		}
	}
	const most = 32 << 20 // of the file are searched
	rest := make([]byte, min(size-s.size, most))
	if err := s.readAt(rest, s.size); err != nil {
		return false, err
	}
	const posMagic = 16
	for at := posMagic; at < len(rest); at++ {
		n := bytes.IndexByte(rest[at:], batch.Magic)
		if n < 0 {
			break
		}
		at += n
		v, _, err := batch.Parse(rest[at-posMagic:])
		if err == nil && v.BaseOffset() >= s.end && v.Validate() == nil {
			return true, nil
		}
	}
	return false, nil
}

// dropSegments deletes the segments from the i-th on, the last one first: a
// crash in between must not leave a hole.
func (l *Log) dropSegments(i int) error {
	l.mu.Lock()
	gone := l.segments[i:]
	l.segments = l.segments[:i:i]
	l.mu.Unlock()
	var errs []error
	for _, s := range slices.Backward(gone) {
		errs = append(errs, s.remove())
	}
	return errors.Join(errs...)
}

// indexOf returns a segment's index, reading it on first use. One that is
// missing or damaged is rebuilt from the segment.
func (l *Log) indexOf(s *segment) (*index, error) {
	if x := s.idx.Load(); x != nil {
		return x, nil
	}
	s.loading.Lock()
	defer s.loading.Unlock()
	if x := s.idx.Load(); x != nil {
		return x, nil
	}
	x, err := s.readIndex()
	if err != nil {
		l.cfg.Logger.Warn("log: rebuilding index", "file", s.name, "err", err)
		if x, err = l.rebuildIndex(s); err != nil {
			return nil, err
		}
	}
	s.idx.Store(x)
	return x, nil
}

// rebuildIndex scans a sealed segment.
func (l *Log) rebuildIndex(s *segment) (*index, error) {
	prod, err := l.producersAt(s.base, math.MaxInt64)
	if err != nil {
		return nil, err
	}
	x := newIndex()
	c := s.scan(0, s.size)
	for {
		v, pos, err := c.next()
		if errors.Is(err, io.EOF) {
			x.addTime()
			return x, nil
		}
		if err != nil {
			return nil, err
		}
		if err := x.apply(prod, v, 0, s.base, pos, l.cfg.IndexInterval); err != nil {
			return nil, s.corrupt(pos, err)
		}
	}
}
