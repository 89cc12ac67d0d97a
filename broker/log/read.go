package log

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"

	"github.com/thalweg/thalweg/internal/batch"
)

// ReadLimit says up to where a read may go.
type ReadLimit int8

const (
	// ToHighWatermark is for consumers: committed records.
	ToHighWatermark ReadLimit = iota
	// ToLastStable is for read_committed consumers: records of transactions
	// that have ended.
	ToLastStable
	// ToLogEnd is for followers.
	ToLogEnd
)

// ReadResult is what a read found, and the offsets at its beginning.
type ReadResult struct {
	// Data is whole batches; the first may begin before the offset asked for.
	// It aliases the buffer given to Read if that was large enough.
	Data []byte
	Offsets
	// Aborted are the aborted transactions with records in Data, by first
	// offset; only set for ToLastStable.
	Aborted []AbortedTxn
}

// Read returns whole batches from offset on, about maxBytes of them but at
// least one if there is any below the limit. They are read into dst, or a new
// slice if dst is too small. An offset at or above the limit gives no data,
// one outside the log [ErrOffsetOutOfRange], damaged bytes a
// [*CorruptionError].
func (l *Log) Read(dst []byte, offset int64, maxBytes int, limit ReadLimit) (ReadResult, error) {
	r := ReadResult{Offsets: l.Offsets()}
	if offset < r.LogStart || offset > r.LogEnd {
		return r, fmt.Errorf("%w: %d is not in [%d, %d]", ErrOffsetOutOfRange, offset, r.LogStart, r.LogEnd)
	}
	end := r.LogEnd
	switch limit {
	case ToHighWatermark:
		end = r.HighWatermark
	case ToLastStable:
		end = r.LastStable
	}
	for at := offset; at < end; {
		s, size, err := l.segmentFor(at)
		if err != nil {
			return r, err
		}
		if s == nil {
			break
		}
		r.Data, at, err = l.readSegment(s, size, dst, at, end, max(maxBytes, 1))
		s.release()
		if err != nil {
			return r, err
		}
		if len(r.Data) > 0 {
			if limit == ToLastStable {
				r.Aborted, err = l.abortedIn(offset, at)
			}
			return r, err
		}
	}
	return r, nil
}

// segmentFor returns the segment in which a search for offset begins, with a
// reference, and how many bytes of it are complete. A segment that ends before
// offset is passed over: compaction may leave gaps. nil means the log's end.
func (l *Log) segmentFor(offset int64) (*segment, int64, error) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if len(l.segments) == 0 {
		return nil, 0, ErrClosed
	}
	for i := l.find(offset); i < len(l.segments); i++ {
		if s := l.segments[i]; s.end > offset {
			s.acquire()
			return s, s.size, nil
		}
	}
	return nil, 0, nil
}

// readSegment reads batches that end above offset and lie below end. Without
// any it returns no data and the offset at which the next segment is to be
// tried.
func (l *Log) readSegment(s *segment, size int64, dst []byte, offset, end int64, maxBytes int) ([]byte, int64, error) {
	pos, err := l.locate(s, size, offset, dst)
	if err != nil {
		return nil, 0, err
	}
	if pos >= size {
		return nil, max(s.end, offset+1), nil
	}
	want := min(int64(max(maxBytes, batch.HeaderLen)), size-pos)
	buf, err := l.fetch(s, dst, pos, want)
	if err != nil {
		return nil, 0, err
	}
	if n, err := batch.Length(buf); err == nil && int64(n) > want && int64(n) <= size-pos {
		if buf, err = l.fetch(s, dst, pos, int64(n)); err != nil {
			return nil, 0, err
		}
	}
	used, next := 0, offset
	for used < len(buf) {
		v, _, err := batch.Parse(buf[used:])
		if errors.Is(err, batch.ErrTruncated) && used > 0 {
			break
		}
		if err != nil {
			return nil, 0, s.corrupt(pos+int64(used), err)
		}
		if v.LastOffset() >= end {
			break
		}
		used += len(v)
		next = v.NextOffset()
	}
	if used == 0 {
		return nil, end, nil // the limit cuts the first batch
	}
	l.hints.put(hint{s, next, pos + int64(used)})
	return buf[:used], next, nil
}

// fetch reads n bytes at pos into dst, or into a new slice.
func (l *Log) fetch(s *segment, dst []byte, pos, n int64) ([]byte, error) {
	if int64(cap(dst)) < n {
		dst = make([]byte, n)
	}
	dst = dst[:n]
	return dst, l.readAt(s, dst, pos)
}

// readAt reads from the tail if it is there, else from the file.
func (l *Log) readAt(s *segment, p []byte, pos int64) error {
	if l.tail.read(p, s.origin+pos) {
		return nil
	}
	return s.readAt(p, pos)
}

// locate returns the position of the first batch that ends above offset, size
// if there is none. It may use scratch.
func (l *Log) locate(s *segment, size, offset int64, scratch []byte) (int64, error) {
	if offset == s.base {
		return 0, nil
	}
	if pos, ok := l.hints.get(s, offset); ok && pos <= size {
		return pos, nil
	}
	pos, err := l.floor(s, offset)
	if err != nil {
		return 0, err
	}
	// Walk the headers from there; only their first bytes matter.
	const window = 1 << 10
	if cap(scratch) < window {
		scratch = make([]byte, window)
	}
	for pos < size {
		chunk := scratch[:min(window, size-pos)]
		if err := l.readAt(s, chunk, pos); err != nil {
			return 0, err
		}
		for len(chunk) >= batch.HeaderLen {
			n, err := batch.Length(chunk)
			if err != nil {
				return 0, s.corrupt(pos, err)
			}
			if batch.View(chunk[:batch.HeaderLen]).LastOffset() >= offset {
				return pos, nil
			}
			pos += int64(n)
			chunk = chunk[min(n, len(chunk)):]
		}
		if size-pos > 0 && size-pos < batch.HeaderLen {
			return 0, s.corrupt(pos, io.ErrUnexpectedEOF)
		}
	}
	return size, nil
}

// floor asks the offset index.
func (l *Log) floor(s *segment, offset int64) (int64, error) {
	x, err := l.indexOf(s)
	if err != nil {
		return 0, err
	}
	l.mu.RLock() // the active segment's index grows
	defer l.mu.RUnlock()
	return x.floor(offset - s.base), nil
}

// abortedIn returns the aborted transactions with records in [from, to).
//
// A transaction's marker may lie in a later segment than its records, so the
// search goes on until an entry says that everything below to was stable.
func (l *Log) abortedIn(from, to int64) ([]AbortedTxn, error) {
	l.mu.RLock()
	var list []*segment
	if len(l.segments) > 0 {
		list = l.segments[l.find(from):]
	}
	for _, s := range list {
		s.acquire()
	}
	l.mu.RUnlock()
	defer func() {
		for _, s := range list {
			s.release()
		}
	}()
	var out []AbortedTxn
	for _, s := range list {
		x, err := l.indexOf(s)
		if err != nil {
			return nil, err
		}
		l.mu.RLock()
		entries := x.aborted
		l.mu.RUnlock()
		done := false
		for _, e := range entries {
			if e.lastOffset >= from && e.FirstOffset < to {
				out = append(out, e.AbortedTxn)
			}
			if e.lastStable >= to {
				done = true
				break
			}
		}
		if done {
			break
		}
	}
	slices.SortFunc(out, func(a, b AbortedTxn) int {
		return cmp.Or(cmp.Compare(a.FirstOffset, b.FirstOffset), cmp.Compare(a.ProducerID, b.ProducerID))
	})
	return out, nil
}

// hints remember where recent reads ended: sequential readers, the usual ones,
// find their next batch without a search.
type hints struct {
	mu   sync.Mutex
	next int
	list [8]hint
}

type hint struct {
	s      *segment
	offset int64
	pos    int64
}

func (h *hints) put(x hint) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.list[h.next%len(h.list)] = x
	h.next++
}

func (h *hints) get(s *segment, offset int64) (int64, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for i := range h.list {
		if h.list[i].s == s && h.list[i].offset == offset {
			return h.list[i].pos, true
		}
	}
	return 0, false
}

// drop forgets everything, after positions have changed.
func (h *hints) drop() {
	h.mu.Lock()
	defer h.mu.Unlock()
	clear(h.list[:])
}
