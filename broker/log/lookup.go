package log

import (
	"errors"
	"io"

	"github.com/thalweg/thalweg/internal/batch"
)

// TimeOffset is a record found by time, as ListOffsets answers it.
type TimeOffset struct {
	Offset      int64
	Timestamp   int64
	LeaderEpoch int32
}

// OffsetForTimestamp finds the first record with a timestamp of at least ts,
// in milliseconds. ok is false when there is none. The caller bounds the
// answer by the offset its client may see.
func (l *Log) OffsetForTimestamp(ts int64) (at TimeOffset, ok bool, err error) {
	list, release := l.hold()
	defer release()
	for _, h := range list {
		x, err := l.indexOf(h.s)
		if err != nil {
			return TimeOffset{}, false, err
		}
		l.mu.RLock()
		pos := x.floor(x.timeFloor(ts))
		late := x.maxTS >= ts
		l.mu.RUnlock()
		if !late {
			continue
		}
		at, ok, err := h.s.firstAtOrAfter(pos, h.size, ts, l.logStart.Load())
		if ok || err != nil {
			return at, ok, err
		}
	}
	return TimeOffset{}, false, nil
}

// MaxTimestamp finds the record with the largest timestamp, the first of them
// if there are several (ListOffsets −3).
func (l *Log) MaxTimestamp() (at TimeOffset, ok bool, err error) {
	list, release := l.hold()
	defer release()
	start := l.logStart.Load()
	largest := int64(-1)
	for _, h := range list {
		newest, err := l.newest(h, start)
		if err != nil {
			return TimeOffset{}, false, err
		}
		largest = max(largest, newest)
	}
	if largest < 0 {
		return TimeOffset{}, false, nil
	}
	return l.OffsetForTimestamp(largest)
}

// newest is the largest timestamp of a segment's records at or above start. The
// index knows that of all; a segment with deleted records is scanned.
func (l *Log) newest(h held, start int64) (int64, error) {
	x, err := l.indexOf(h.s)
	if err != nil {
		return 0, err
	}
	if h.s.base >= start {
		l.mu.RLock()
		defer l.mu.RUnlock()
		return x.maxTS, nil
	}
	pos, err := l.floor(h.s, start)
	if err != nil {
		return 0, err
	}
	var d batch.Decompressor
	defer d.Close()
	largest := int64(-1)
	c := h.s.scan(pos, h.size)
	for {
		v, at, err := c.next()
		if errors.Is(err, io.EOF) {
			return largest, nil
		}
		if err != nil {
			return 0, err
		}
		if v.BaseOffset() >= start {
			largest = max(largest, v.MaxTimestamp())
			continue
		}
		it, err := v.Records(&d)
		for r := (batch.Record{}); err == nil && it.Next(&r); {
			if r.Offset >= start {
				largest = max(largest, r.Timestamp)
			}
		}
		if err = errors.Join(err, it.Err()); err != nil {
			return 0, h.s.corrupt(at, err)
		}
	}
}

// held is a segment with a reference and its size at that moment.
type held struct {
	s    *segment
	size int64
}

// hold takes references to all segments.
func (l *Log) hold() (list []held, release func()) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	list = make([]held, len(l.segments))
	for i, s := range l.segments {
		s.acquire()
		list[i] = held{s, s.size}
	}
	return list, func() {
		for _, h := range list {
			h.s.release()
		}
	}
}

// firstAtOrAfter scans from pos for the first record of at least ts at or
// above start. Only a batch that has one is decompressed.
func (s *segment) firstAtOrAfter(pos, size, ts, start int64) (TimeOffset, bool, error) {
	var d batch.Decompressor
	defer d.Close()
	c := s.scan(pos, size)
	for {
		v, at, err := c.next()
		if errors.Is(err, io.EOF) {
			return TimeOffset{}, false, nil
		}
		if err != nil {
			return TimeOffset{}, false, err
		}
		if v.MaxTimestamp() < ts || v.LastOffset() < start {
			continue
		}
		it, err := v.Records(&d)
		if err != nil {
			return TimeOffset{}, false, s.corrupt(at, err)
		}
		var r batch.Record
		for it.Next(&r) {
			if r.Timestamp >= ts && r.Offset >= start {
				return TimeOffset{r.Offset, r.Timestamp, v.LeaderEpoch()}, true, nil
			}
		}
		if err := it.Err(); err != nil {
			return TimeOffset{}, false, s.corrupt(at, err)
		}
	}
}
