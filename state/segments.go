package state

import (
	"encoding/binary"
	"fmt"
	"math"
)

// segments is how the rows of window and session stores lie, and how they
// expire.
//
// A row has a key, a time (a window's start, a session's end) and a suffix (a
// sequence number of 4 bytes, a session's start of 8). Rows lie in segments of
// time, which are deleted as a whole:
//
//	int64 segment | key | int64 time | suffix
//
// so that the order over several keys is Kafka's: segment, key, time. In a
// time-ordered store there are two rows each, the second without a value:
//
//	int64 segment | 0 | int64 time | key | int32 sequence     windows
//	int64 segment | 0 | int64 end | int64 start | key         sessions
//	int64 segment | 1 | key | int64 time | suffix
//
// Times and suffixes are not negative, so that their bytes order as they do.
//
// Expiry is by the largest time ever put (the position's Observed): what is at
// or behind observed - retention is not seen, a write whose whole segment is
// behind it is refused and counted, and such segments are deleted. The changelog
// has the refused writes too, as in Kafka Streams.
type segments struct {
	interval   int64
	retention  int64
	suffix     int
	ordered    bool
	indexed    bool // the key-first rows of an ordered store are kept
	descending bool // suffixes are inverted in rows
	strict     bool // writes are refused without regard to segments
	swept      int64
	known      *presence // nil: not kept
	buf        []byte
}

const minSegment = 60_000 // milliseconds

const (
	windowSuffix  = 4
	sessionSuffix = 8
)

func newSegments(spec Spec, suffix int) *segments {
	retention := max(spec.Retention.Milliseconds(), 0)
	return &segments{
		interval:   max(retention/2, minSegment),
		retention:  retention,
		suffix:     suffix,
		ordered:    spec.TimeOrdered,
		indexed:    spec.TimeOrdered && !spec.Cached,
		descending: spec.InMemory && suffix == sessionSuffix,
		strict:     spec.InMemory,
	}
}

// fields are the parts of a row. key is part of it.
type fields struct {
	key    []byte
	time   int64
	suffix uint64
}

func (s *segments) appendSuffix(dst []byte, suffix uint64) []byte {
	if s.suffix == windowSuffix {
		return binary.BigEndian.AppendUint32(dst, uint32(suffix))
	}
	if s.descending {
		suffix = ^suffix
	}
	return binary.BigEndian.AppendUint64(dst, suffix)
}

// row appends the row of f.
func (s *segments) row(dst []byte, f fields) []byte {
	dst = binary.BigEndian.AppendUint64(dst, uint64(f.time/s.interval))
	if !s.ordered {
		return s.keyFirst(dst, f)
	}
	dst = append(dst, 0)
	dst = binary.BigEndian.AppendUint64(dst, uint64(f.time))
	if s.suffix == sessionSuffix {
		return append(s.appendSuffix(dst, f.suffix), f.key...)
	}
	return s.appendSuffix(append(dst, f.key...), f.suffix)
}

// keyFirst appends key | time | suffix.
func (s *segments) keyFirst(dst []byte, f fields) []byte {
	dst = append(dst, f.key...)
	dst = binary.BigEndian.AppendUint64(dst, uint64(f.time))
	return s.appendSuffix(dst, f.suffix)
}

// least is the length of a row with an empty key.
func (s *segments) least() int {
	if s.ordered {
		return 8 + 1 + 8 + s.suffix
	}
	return 8 + 8 + s.suffix
}

// parse takes a row apart. ok is false for what is not one.
func (s *segments) parse(row []byte) (f fields, ok bool) {
	if len(row) < s.least() {
		return f, false
	}
	if !s.ordered {
		return s.parseKeyFirst(row[8:]), true
	}
	f.time = int64(binary.BigEndian.Uint64(row[9:]))
	if s.suffix == sessionSuffix {
		f.suffix = s.suffixOf(row[17:25])
		f.key = row[25:]
	} else {
		f.suffix = s.suffixOf(row[len(row)-4:])
		f.key = row[17 : len(row)-4]
	}
	return f, true
}

func (s *segments) parseKeyFirst(b []byte) fields {
	n := len(b) - 8 - s.suffix
	return fields{
		key:    b[:n:n],
		time:   int64(binary.BigEndian.Uint64(b[n:])),
		suffix: s.suffixOf(b[n+8:]),
	}
}

func (s *segments) suffixOf(b []byte) uint64 {
	if s.suffix == windowSuffix {
		return uint64(binary.BigEndian.Uint32(b))
	}
	v := binary.BigEndian.Uint64(b)
	if s.descending {
		v = ^v
	}
	return v
}

// logKey appends the changelog key of a row: key | time | suffix, as Kafka
// Streams has it for every layout.
func (s *segments) logKey(dst, row []byte) []byte {
	f, ok := s.parse(row)
	if !ok {
		return append(dst, row...)
	}
	dst = append(dst, f.key...)
	dst = binary.BigEndian.AppendUint64(dst, uint64(f.time))
	if s.suffix == windowSuffix {
		return binary.BigEndian.AppendUint32(dst, uint32(f.suffix))
	}
	return binary.BigEndian.AppendUint64(dst, f.suffix)
}

// parseLogKey takes the key of a changelog record apart.
func (s *segments) parseLogKey(key []byte) (f fields, err error) {
	n := len(key) - 8 - s.suffix
	if n < 0 {
		return f, fmt.Errorf("%w: changelog key of %d bytes", ErrCorrupt, len(key))
	}
	f.key, f.time = key[:n:n], int64(binary.BigEndian.Uint64(key[n:]))
	if s.suffix == windowSuffix {
		f.suffix = uint64(binary.BigEndian.Uint32(key[n+8:]))
	} else {
		f.suffix = binary.BigEndian.Uint64(key[n+8:])
	}
	if f.time < 0 {
		return f, fmt.Errorf("%w: changelog key with time %d", ErrCorrupt, f.time)
	}
	return f, nil
}

// floor is the least time that is seen.
func (s *segments) floor(observed int64) int64 {
	if observed == NoTime || observed < s.retention {
		return 0
	}
	if s.ordered && s.suffix == windowSuffix && !s.strict {
		return observed - s.retention // as Kafka Streams' time-ordered windows on disk
	}
	return observed - s.retention + 1
}

// expired reports whether a row is not seen any more.
func (s *segments) expired(row []byte, observed int64) bool {
	f, ok := s.parse(row)
	return !ok || f.time < s.floor(observed)
}

// live reports whether a time may still be written, and the first live segment.
func (s *segments) live(t, observed int64) (first int64, ok bool) {
	behind := observed - s.retention
	first = behind / s.interval
	if s.strict {
		return first, t > behind
	}
	return first, t/s.interval >= first
}

// observe takes note of a time that comes to the store, restored or new, and of
// what of the changelog its segments need by then. It returns the first segment
// that is live. At most four are, as a segment is at least half the retention.
func (s *segments) observe(p *Partition, t int64) (first int64) {
	first, _ = s.live(t, p.pos.Observed)
	if was := first; t > p.pos.Observed {
		p.pos.Observed = t
		first, _ = s.live(t, t)
		for n := max(was, 0); n < first && n < was+int64(len(p.pos.Needs)); n++ {
			p.pos.free(n)
		}
	}
	if n := t / s.interval; n >= first {
		p.pos.need(n)
	}
	return first
}

// admit takes note of the time of a row that is to be written, and reports
// whether it may be. It deletes the segments that the time has moved past.
func (s *segments) admit(p *Partition, dropped func(string), row []byte) (bool, error) {
	f, _ := s.parse(row)
	first := s.observe(p, f.time)
	_, ok := s.live(f.time, p.pos.Observed)
	if first > s.swept {
		lo := binary.BigEndian.AppendUint64(nil, uint64(s.swept))
		hi := binary.BigEndian.AppendUint64(nil, uint64(first))
		if err := p.Expire(lo, hi); err != nil {
			return false, err
		}
		s.swept = first
		s.known.expire(first)
	}
	if ok {
		s.known.add(f)
	}
	if !ok && dropped != nil {
		dropped(DroppedExpired)
	}
	return ok, nil
}

// index keeps the second row of a time-ordered store.
func (s *segments) index(p *Partition, row []byte, present bool) error {
	if !s.indexed {
		return nil
	}
	f, ok := s.parse(row)
	if !ok {
		return p.fail("write", ErrCorrupt)
	}
	s.buf = append(append(s.buf[:0], row[:8]...), 1)
	s.buf = s.keyFirst(s.buf, f)
	if present {
		return p.Put(s.buf, nil)
	}
	return p.Delete(s.buf)
}

// largest is the largest time or suffix a row can have.
const largest = math.MaxInt64
