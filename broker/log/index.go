package log

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"sort"

	"github.com/thalweg/thalweg/internal/batch"
)

// The sparse indexes of a segment, in Kafka's formats:
//
//	.index      relative offset u32, file position u32: of a batch, by its last offset
//	.timeindex  timestamp i64, relative offset u32: the largest timestamp up to
//	            there and the batch that brought it
//	.txnindex   see txnindex.go
//
// Invariants: entries of each are strictly increasing in their first field and
// increasing in the second; every position is the start of a batch; every
// batch with a timestamp above a time entry's lies at or behind that entry's
// offset.
//
// The active segment's index lives in memory only and is written when the
// segment is sealed or the log closed: an append costs one write, to the log
// itself. Recovery rebuilds the index of every segment it scans.
const (
	offsetEntryLen = 8
	timeEntryLen   = 12
)

type offsetEntry struct{ rel, pos uint32 }

type timeEntry struct {
	ts  int64
	rel uint32
}

// index is the indexes of one segment. A sealed segment's does not change; the
// active segment's is guarded by Log.mu.
type index struct {
	offsets []offsetEntry
	times   []timeEntry
	aborted []abortedEntry

	maxTS      int64 // of all records, NoTimestamp when there is none
	maxTSRel   uint32
	sinceEntry int // bytes appended since the last offset entry
}

func newIndex() *index { return &index{maxTS: -1} }

// apply takes a batch at pos, which arrived at a time, into the producer state
// and the indexes.
func (x *index) apply(p *producers, v batch.View, at, base, pos int64, interval int) error {
	end, ok, err := p.apply(v, at)
	if err != nil {
		return err
	}
	if ok && end.aborted {
		x.aborted = append(x.aborted, abortedEntry{
			AbortedTxn: AbortedTxn{ProducerID: end.pid, FirstOffset: end.first}, lastOffset: end.last, lastStable: end.lastStable,
		})
	}
	x.add(relative(v.LastOffset(), base), uint32(pos), len(v), v.MaxTimestamp(), interval)
	return nil
}

// relative is an offset as the indexes store it.
func relative(offset, base int64) uint32 { return uint32(min(offset-base, math.MaxInt32)) }

// add notes a batch written at pos that ends at relative offset rel.
func (x *index) add(rel, pos uint32, size int, maxTS int64, interval int) {
	if maxTS > x.maxTS {
		x.maxTS, x.maxTSRel = maxTS, rel
	}
	if x.sinceEntry > interval {
		x.offsets = append(x.offsets, offsetEntry{rel, pos})
		x.addTime()
		x.sinceEntry = 0
	}
	x.sinceEntry += size
}

// addTime makes sure that the last time entry is the segment's maximum.
func (x *index) addTime() {
	if n := len(x.times); x.maxTS >= 0 && (n == 0 || x.maxTS > x.times[n-1].ts) {
		x.times = append(x.times, timeEntry{x.maxTS, x.maxTSRel})
	}
}

// floor returns the position from which a scan finds the batch that contains
// rel, the relative offset.
func (x *index) floor(rel int64) int64 {
	i := sort.Search(len(x.offsets), func(i int) bool { return int64(x.offsets[i].rel) > rel })
	if i == 0 {
		return 0
	}
	return int64(x.offsets[i-1].pos)
}

// timeFloor returns the relative offset from which a scan finds the first
// batch with a timestamp of at least ts.
func (x *index) timeFloor(ts int64) int64 {
	i := sort.Search(len(x.times), func(i int) bool { return x.times[i].ts > ts })
	if i == 0 {
		return 0
	}
	return int64(x.times[i-1].rel)
}

// full reports that another entry would exceed limit bytes in either file.
func (x *index) full(limit int) bool {
	return (len(x.offsets)+1)*offsetEntryLen > limit || (len(x.times)+2)*timeEntryLen > limit
}

// clone copies the index for a segment that becomes writable again.
func (x *index) clone() *index {
	c := *x
	c.offsets, c.times, c.aborted = slices.Clone(x.offsets), slices.Clone(x.times), slices.Clone(x.aborted)
	return &c
}

func (x *index) encodeOffsets() []byte {
	b := make([]byte, 0, len(x.offsets)*offsetEntryLen)
	for _, e := range x.offsets {
		b = binary.BigEndian.AppendUint32(b, e.rel)
		b = binary.BigEndian.AppendUint32(b, e.pos)
	}
	return b
}

func (x *index) encodeTimes() []byte {
	b := make([]byte, 0, len(x.times)*timeEntryLen)
	for _, e := range x.times {
		b = binary.BigEndian.AppendUint64(b, uint64(e.ts))
		b = binary.BigEndian.AppendUint32(b, e.rel)
	}
	return b
}

var errIndex = errors.New("entries out of order")

// decodeOffsets reads an .index file of a segment of size bytes.
func decodeOffsets(b []byte, size int64) ([]offsetEntry, error) {
	if len(b)%offsetEntryLen != 0 {
		return nil, fmt.Errorf("length %d is no multiple of %d", len(b), offsetEntryLen)
	}
	out := make([]offsetEntry, 0, len(b)/offsetEntryLen)
	prev := offsetEntry{}
	for ; len(b) > 0; b = b[offsetEntryLen:] {
		e := offsetEntry{binary.BigEndian.Uint32(b), binary.BigEndian.Uint32(b[4:])}
		if int64(e.pos) >= size || e.rel > math.MaxInt32 {
			return nil, fmt.Errorf("entry (%d, %d) lies outside the segment", e.rel, e.pos)
		}
		if len(out) > 0 && (e.rel <= prev.rel || e.pos <= prev.pos) {
			return nil, errIndex
		}
		out, prev = append(out, e), e
	}
	return out, nil
}

// decodeTimes reads a .timeindex file.
func decodeTimes(b []byte) ([]timeEntry, error) {
	if len(b)%timeEntryLen != 0 {
		return nil, fmt.Errorf("length %d is no multiple of %d", len(b), timeEntryLen)
	}
	out := make([]timeEntry, 0, len(b)/timeEntryLen)
	prev := timeEntry{ts: -1}
	for ; len(b) > 0; b = b[timeEntryLen:] {
		e := timeEntry{int64(binary.BigEndian.Uint64(b)), binary.BigEndian.Uint32(b[8:])}
		if e.rel > math.MaxInt32 || e.ts <= prev.ts || (len(out) > 0 && e.rel <= prev.rel) {
			return nil, errIndex
		}
		out, prev = append(out, e), e
	}
	return out, nil
}
