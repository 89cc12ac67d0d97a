package state

import "hash/maphash"

// presence remembers which keys the segments of a window store may hold, so that
// a fetch of a key that is not there need not ask the engine. In a join of
// streams that is most of them: what comes first finds nothing, and most windows
// reach into segments without a match.
//
// Invariant: of a segment from on, each key that has a row was added. Earlier
// segments may have rows from before the store was opened, and are not known.
// A key may be said to be there that is not: its hash is another's, its write
// was given up, or the segment has too many.
type presence struct {
	seed     maphash.Seed
	from     int64
	segments map[int64]*hashes
}

// mostHashes bounds the memory of one segment to 8 MiB.
const mostHashes = 1 << 20

// hashes is a set of hashes by open addressing; 0 marks a free slot.
type hashes struct {
	table []uint32 // a power of two long; nil: everything is in it
	n     int
}

func newPresence(from int64) *presence {
	return &presence{seed: maphash.MakeSeed(), from: from, segments: map[int64]*hashes{}}
}

func (p *presence) hash(key []byte) uint32 { return max(1, uint32(maphash.Bytes(p.seed, key))) }

func (p *presence) add(segment int64, key []byte) {
	if p == nil || segment < p.from {
		return
	}
	s := p.segments[segment]
	if s == nil {
		s = &hashes{table: make([]uint32, 64)}
		p.segments[segment] = s
	}
	s.add(p.hash(key))
}

// mayHave reports whether a segment may have rows of key.
func (p *presence) mayHave(segment int64, key []byte) bool {
	if p == nil || segment < p.from {
		return true
	}
	s := p.segments[segment]
	return s != nil && s.has(p.hash(key))
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

func (s *hashes) has(h uint32) bool {
	if s.table == nil {
		return true
	}
	_, ok := s.find(h)
	return ok
}

// find returns the slot where h is or belongs.
func (s *hashes) find(h uint32) (slot uint32, ok bool) {
	mask := uint32(len(s.table) - 1)
	for slot = h & mask; s.table[slot] != 0; slot = (slot + 1) & mask {
		if s.table[slot] == h {
			return slot, true
		}
	}
	return slot, false
}

func (s *hashes) add(h uint32) {
	if s.table == nil {
		return
	}
	slot, ok := s.find(h)
	if ok {
		return
	}
	if s.n == mostHashes {
		s.table = nil
		return
	}
	s.table[slot] = h
	if s.n++; 2*s.n <= len(s.table) {
		return
	}
	old := s.table
	s.table = make([]uint32, 2*len(old))
	for _, h := range old {
		if h != 0 {
			slot, _ := s.find(h)
			s.table[slot] = h
		}
	}
}
