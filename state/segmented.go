package state

import (
	"bytes"
	"encoding/binary"
	"maps"
	"slices"

	"github.com/thalweg/thalweg/processor"
	"github.com/thalweg/thalweg/serde"
)

// segmented is what window and session stores share: typed values under rows
// that lie in segments of time.
type segmented[K, V any] struct {
	rows[V]
	ks serde.Serde[K]
	kb []byte // an encoded key
	rb []byte // a row
	lo []byte // the bounds of a scan, which copies them
	hi []byte

	// The times put since the store was opened, which the cache may hold
	// although they are not, or no longer, within what the rows below show.
	lowest, highest int64
}

func newSegmented[K, V any](spec Spec, env Env, ks serde.Serde[K], vs serde.Serde[V], timed bool, suffix int) segmented[K, V] {
	s := segmented[K, V]{
		rows: newRows(spec, env, vs, timed), ks: serde.ForTask(ks), lowest: largest, highest: NoTime,
	}
	s.seg = newSegments(spec, suffix)
	if p := env.Partition; p != nil && !env.readOnly() && spec.Duplicates && !spec.TimeOrdered && !spec.Cached {
		from := int64(0)
		if p.pos.Observed != NoTime {
			from = p.pos.Observed/s.seg.interval + 1
		}
		s.seg.known = newPresence(from, s.seg.interval)
	}
	s.logKey = s.seg.logKey
	// Kafka Streams' windows without timestamps carry them, too.
	s.logHeaders = s.logHeaders || spec.Type == TypeWindow && !spec.Timestamped
	return s
}

// at encodes a row into the store's scratch.
func (s *segmented[K, V]) at(k K, time int64, suffix uint64) (row []byte, err error) {
	if s.fault != nil {
		return nil, s.fault
	}
	if s.kb, err = s.ks.Append(s.kb[:0], k); err != nil {
		return nil, s.fail("encode key", err)
	}
	s.rb = s.seg.row(s.rb[:0], fields{s.kb, time, suffix})
	return s.rb, nil
}

// saw notes a time that is written.
func (s *segmented[K, V]) saw(time int64) {
	s.lowest, s.highest = min(s.lowest, time), max(s.highest, time)
}

// Caching reports whether writes go through a cache, so that whoever wants to
// hear of them must use OnFlush.
func (s *segmented[K, V]) Caching() bool { return s.cache != nil }

func (s *segmented[K, V]) onFlush(wantOld bool, f func(k K, time int64, suffix uint64, u Update[V]) error) {
	if s.cache == nil {
		return
	}
	var k, none K
	s.cache.wantOld = wantOld
	s.cache.listener = func(row []byte, u Update[V]) error {
		at, ok := s.seg.parse(row)
		if !ok {
			return s.fail("flush", ErrCorrupt)
		}
		k = none // so that nothing is decoded into memory somebody has
		if err := s.ks.Decode(at.key, &k); err != nil {
			return s.fail("flush", err)
		}
		return f(k, at.time, at.suffix, u)
	}
}

// Restore applies a record of the changelog. Records whose segment has expired
// by then are left out.
func (s *segmented[K, V]) Restore(key, value []byte, timestamp int64, headers processor.Headers) error {
	if s.fault != nil {
		return s.fault
	}
	f, err := s.seg.parseLogKey(key)
	if err != nil {
		return s.fail("restore", err)
	}
	pos := &s.p.pos
	if s.spec.Duplicates {
		pos.Sequence = max(pos.Sequence, int32(f.suffix))
		if value == nil {
			return nil
		}
	}
	s.seg.observe(s.p, f.time)
	if _, ok := s.seg.live(f.time, pos.Observed); !ok {
		return nil
	}
	s.seg.known.add(f)
	s.rb = s.seg.row(s.rb[:0], f)
	if err := s.restore(s.rb, value, timestamp, headers); err != nil || !s.seg.indexed {
		return err
	}
	s.rb = append(append(s.rb[:0], s.rb[:8]...), 1)
	s.rb = s.seg.keyFirst(s.rb, f)
	if value == nil {
		return s.p.Load(s.rb, nil)
	}
	return s.p.Load(s.rb, []byte{})
}

// visit is called for each row of a scan until it returns false.
type visit[V any] func(at fields, v V, ts int64) bool

// span is the segments in which rows with times from..to can lie, and the times
// cut to what can be seen.
func (s *segmented[K, V]) span(from, to int64) (first, last, lo, hi int64) {
	observed := s.p.pos.Observed
	lo, hi = s.seg.floor(observed), observed
	if s.cache != nil {
		lo, hi = min(lo, s.lowest), max(hi, s.highest)
	}
	lo, hi = max(lo, from, 0), min(hi, to)
	return lo / s.seg.interval, hi / s.seg.interval, lo, hi
}

// eachSegment calls f for the segments that may have rows with times from..to,
// in the order of the scan, until f returns false.
func (s *segmented[K, V]) eachSegment(from, to int64, reverse bool, f func(segment, lo, hi int64) (bool, error)) error {
	if s.fault != nil {
		return s.fault
	}
	first, last, lo, hi := s.span(from, to)
	if lo > hi {
		return nil
	}
	if last-first > manySegments {
		return s.eachUsed(first, last, reverse, func(segment int64) (bool, error) { return f(segment, lo, hi) })
	}
	for n := last - first; n >= 0; n-- {
		segment := last - n
		if reverse {
			segment = first + n
		}
		if more, err := f(segment, lo, hi); !more || err != nil {
			return err
		}
	}
	return nil
}

// manySegments is from how many segments on those that have rows are looked for,
// because one timestamp can be as far ahead as there is time.
const manySegments = 64

// eachUsed calls f for the segments from first to last that have rows.
func (s *segmented[K, V]) eachUsed(first, last int64, reverse bool, f func(segment int64) (bool, error)) error {
	used := map[int64]bool{}
	if s.cache != nil {
		for row := range s.cache.rows {
			if n := int64(binary.BigEndian.Uint64([]byte(row[:8]))); n >= first && n <= last {
				used[n] = true
			}
		}
	}
	end := segmentRow(nil, last+1)
	for n := first; n <= last; n++ {
		it := s.p.Scan(segmentRow(nil, n), end, false)
		found := it.Next()
		if found {
			n = int64(binary.BigEndian.Uint64(it.Key()))
			used[n] = true
		}
		if err := it.Close(); err != nil {
			return err
		}
		if !found {
			break
		}
	}
	segments := slices.Sorted(maps.Keys(used))
	if reverse {
		slices.Reverse(segments)
	}
	for _, n := range segments {
		if more, err := f(n); !more || err != nil {
			return err
		}
	}
	return nil
}

func segmentRow(dst []byte, segment int64) []byte {
	return binary.BigEndian.AppendUint64(dst[:0], uint64(segment))
}

// bound makes the bounds of a scan over the rows that begin with s.lo and go on
// with a time from..to.
func (s *segmented[K, V]) bound(from, to int64) {
	s.hi = binary.BigEndian.AppendUint64(append(s.hi[:0], s.lo...), uint64(to))
	s.hi = successor(s.hi)
	s.lo = binary.BigEndian.AppendUint64(s.lo, uint64(from))
}

// scanKey visits the rows of one key with times from..to, in order of time.
func (s *segmented[K, V]) scanKey(key []byte, from, to int64, reverse bool, f visit[V]) error {
	if s.seg.ordered && !s.seg.indexed {
		return s.scanTimes(from, to, reverse, func(at fields, v V, ts int64) bool {
			return !bytes.Equal(at.key, key) || f(at, v, ts)
		})
	}
	return s.eachSegment(from, to, reverse, func(segment, from, to int64) (bool, error) {
		switch row, known := s.seg.known.find(segment, key); known {
		case absent:
			return true, nil
		case single:
			return s.visitOne(row, from, to, f)
		}
		s.lo = segmentRow(s.lo, segment)
		if s.seg.ordered {
			s.lo = append(s.lo, 1)
		}
		s.lo = append(s.lo, key...)
		size := len(s.lo) + 8 + s.seg.suffix
		s.bound(from, to)
		lo, hi := s.lo, s.hi
		if s.seg.ordered {
			return s.scanIndex(lo, hi, size, reverse, f)
		}
		more := true
		err := s.scan(lo, hi, reverse, func(row []byte, v V, ts int64) bool {
			if len(row) != size {
				return true // a longer key that begins alike
			}
			at, _ := s.seg.parse(row)
			more = f(at, v, ts)
			return more
		})
		return more, err
	})
}

// visitOne visits a row if it is there and its time is from..to.
func (s *segmented[K, V]) visitOne(at fields, from, to int64, f visit[V]) (more bool, err error) {
	if at.time < from || at.time > to {
		return true, nil
	}
	s.rb = s.seg.row(s.rb[:0], at)
	v, ts, ok, err := s.read(s.rb)
	if err != nil {
		return false, err
	}
	return !ok || f(at, v, ts), nil
}

// scanIndex visits the rows that the key-first rows of a time-ordered store
// point to.
func (s *segmented[K, V]) scanIndex(lo, hi []byte, size int, reverse bool, f visit[V]) (more bool, err error) {
	it := s.p.Scan(lo, hi, reverse)
	defer it.Close()
	var row []byte
	for it.Next() {
		if len(it.Key()) != size {
			continue
		}
		at := s.seg.parseKeyFirst(it.Key()[9:])
		row = s.seg.row(row[:0], at)
		v, ts, ok, err := s.read(row)
		if err != nil {
			return false, err
		}
		if ok && !f(at, v, ts) {
			return false, nil
		}
	}
	return true, it.Err()
}

// scanKeys visits the rows with keys lo..hi (nil: no bound), both included, and
// times from..to.
func (s *segmented[K, V]) scanKeys(loKey, hiKey []byte, from, to int64, reverse bool, f visit[V]) error {
	if s.seg.ordered {
		return s.scanTimes(from, to, reverse, func(at fields, v V, ts int64) bool {
			return bytes.Compare(at.key, loKey) < 0 || hiKey != nil && bytes.Compare(at.key, hiKey) > 0 || f(at, v, ts)
		})
	}
	return s.eachSegment(from, to, reverse, func(segment, from, to int64) (bool, error) {
		s.lo = append(segmentRow(s.lo, segment), loKey...)
		s.hi = segmentRow(s.hi, segment+1)
		if hiKey != nil {
			s.hi = successor(append(segmentRow(s.hi, segment), hiKey...))
		}
		lo, hi := s.lo, s.hi
		more := true
		err := s.scan(lo, hi, reverse, func(row []byte, v V, ts int64) bool {
			at, ok := s.seg.parse(row)
			if !ok || at.time < from || at.time > to ||
				bytes.Compare(at.key, loKey) < 0 || hiKey != nil && bytes.Compare(at.key, hiKey) > 0 {
				return true
			}
			more = f(at, v, ts)
			return more
		})
		return more, err
	})
}

// scanTimes visits all rows with times from..to, in the store's own order.
func (s *segmented[K, V]) scanTimes(from, to int64, reverse bool, f visit[V]) error {
	if !s.seg.ordered {
		return s.scanKeys(nil, nil, from, to, reverse, f)
	}
	return s.eachSegment(from, to, reverse, func(segment, from, to int64) (bool, error) {
		s.lo = append(segmentRow(s.lo, segment), 0)
		s.bound(from, to)
		lo, hi := s.lo, s.hi
		more := true
		err := s.scan(lo, hi, reverse, func(row []byte, v V, ts int64) bool {
			at, ok := s.seg.parse(row)
			if !ok {
				return true
			}
			more = f(at, v, ts)
			return more
		})
		return more, err
	})
}

// scanKept visits the rows of a time-ordered store with times from..to, whether
// they have expired or not, in the segments that are kept.
func (s *segmented[K, V]) scanKept(from, to int64, f visit[V]) error {
	if s.fault != nil {
		return s.fault
	}
	first := max(from/s.seg.interval, (s.p.pos.Observed-s.seg.retention)/s.seg.interval, 0)
	last := min(to, s.p.pos.Observed) / s.seg.interval
	for segment := first; segment <= last; segment++ {
		s.lo = append(segmentRow(s.lo, segment), 0)
		s.bound(from, to)
		if more, err := s.scanAll(s.lo, s.hi, f); !more || err != nil {
			return err
		}
	}
	return nil
}

// scanAll visits the rows in [lo, hi), expired ones too.
func (s *segmented[K, V]) scanAll(lo, hi []byte, f visit[V]) (more bool, err error) {
	it := s.p.Scan(lo, hi, false)
	defer it.Close()
	for it.Next() {
		at, ok := s.seg.parse(it.Key())
		if !ok {
			continue
		}
		v, ts, err := s.decode(it.Value())
		if err != nil || !f(at, v, ts) {
			return false, err
		}
	}
	return true, it.Err()
}

// keys encodes the bounds of a range of keys into memory of its own.
func (s *segmented[K, V]) keys(lo, hi *K) (l, h []byte, err error) {
	if lo != nil {
		if l, err = s.ks.Append([]byte{}, *lo); err != nil {
			return nil, nil, s.fail("encode key", err)
		}
	}
	if hi != nil {
		if h, err = s.ks.Append([]byte{}, *hi); err != nil {
			return nil, nil, s.fail("encode key", err)
		}
	}
	return l, h, nil
}
