package state

import (
	"hash/maphash"
	"math"
)

// presence remembers which rows the segments of a window store hold, so that a
// fetch need not search for them: a key that is not there costs nothing, and the
// only row of a key is a look-up, which engines answer in a fraction of the time
// of a search. In a join of streams that is nearly all there is: what comes
// first finds nothing, and what comes then finds one.
//
// Invariant: of a segment from on, each row that was written was added. Earlier
// segments may have rows from before the store was opened, and are not known. A
// row may be said to be there that is not: its key is another one's with the
// same hash, or its write was given up.
type presence struct {
	seed     maphash.Seed
	interval int64
	from     int64
	segments map[int64]*places
}

// knowledge is what is known of a key in a segment.
type knowledge int

const (
	absent  knowledge = iota // it has no row
	single                   // it has at most one row, which is known
	unknown                  // the engine has to be asked
)

// mostPlaces bounds the memory of one segment to 24 MiB.
const mostPlaces = 1 << 20

// places is a hash table of keys by open addressing.
type places struct {
	slots []slot // a power of two long; nil: too many, nothing is known
	n     int
}

// slot is a key's only row, or several.
type slot struct {
	hash   uint32 // 0: free
	offset uint32 // of the time, in the segment
	suffix uint32 // several: the key has more than one row
}

// several is larger than any number that a store with duplicates gives out.
const several = math.MaxUint32

func newPresence(from, interval int64) *presence {
	return &presence{seed: maphash.MakeSeed(), from: from, interval: interval, segments: map[int64]*places{}}
}

func (p *presence) hash(key []byte) uint32 { return max(1, uint32(maphash.Bytes(p.seed, key))) }

// add notes a row.
func (p *presence) add(f fields) {
	if p == nil {
		return
	}
	segment := f.time / p.interval
	if segment < p.from {
		return
	}
	s := p.segments[segment]
	if s == nil {
		s = &places{slots: make([]slot, 64)}
		p.segments[segment] = s
	}
	row := slot{hash: p.hash(f.key), offset: uint32(f.time % p.interval), suffix: uint32(f.suffix)}
	if p.interval > math.MaxUint32 {
		row.suffix = several
	}
	s.add(row)
}

// find tells of a key in a segment. The row is there if it is the only one.
func (p *presence) find(segment int64, key []byte) (row fields, _ knowledge) {
	if p == nil || segment < p.from {
		return row, unknown
	}
	s := p.segments[segment]
	if s == nil {
		return row, absent
	}
	if s.slots == nil {
		return row, unknown
	}
	switch at := s.at(p.hash(key)); {
	case at.hash == 0:
		return row, absent
	case at.suffix == several:
		return row, unknown
	default:
		return fields{key, segment*p.interval + int64(at.offset), uint64(at.suffix)}, single
	}
}

// expire forgets the segments before first.
func (p *presence) expire(first int64) {
	if p == nil {
		return
	}
	for segment := range p.segments {
		if segment < first {
			delete(p.segments, segment)
		}
	}
	p.from = max(p.from, first)
}

// at returns the slot where a hash is or belongs.
func (s *places) at(hash uint32) *slot {
	mask := uint32(len(s.slots) - 1)
	for i := hash & mask; ; i = (i + 1) & mask {
		if at := &s.slots[i]; at.hash == 0 || at.hash == hash {
			return at
		}
	}
}

func (s *places) add(row slot) {
	if s.slots == nil {
		return
	}
	at := s.at(row.hash)
	if at.hash != 0 {
		if *at != row {
			at.suffix = several
		}
		return
	}
	if s.n == mostPlaces {
		s.slots = nil
		return
	}
	*at = row
	if s.n++; 3*s.n <= 2*len(s.slots) {
		return
	}
	old := s.slots
	s.slots = make([]slot, 2*len(old))
	for _, row := range old {
		if row.hash != 0 {
			*s.at(row.hash) = row
		}
	}
}
