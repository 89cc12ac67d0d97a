package state

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"slices"
)

// sorter brings writes into the order of their keys before an engine gets them.
// Engines keep recent writes in a skip list: a sorted run finds its places near
// each other, in memory that is cached, and takes a fraction of the time that
// the same writes take in random order.
type sorter struct{ writes []write }

// write is one put or delete. head is the first eight bytes behind what all keys
// of a sorter begin with, so that few comparisons look at the keys.
type write struct {
	head       uint64
	number     uint32 // in the order of adding
	op         Op
	key, value []byte
}

// add appends a write. The slices must stay as they are until drain.
func (s *sorter) add(op Op, key, value []byte) {
	s.writes = append(s.writes, write{number: uint32(len(s.writes)), op: op, key: key, value: value})
}

// reset empties the sorter. It keeps the memory of a usual commit.
func (s *sorter) reset() {
	clear(s.writes)
	s.writes = s.writes[:0]
	if cap(s.writes) > 64<<10 {
		s.writes = nil
	}
}

// drain yields the writes in the order of keys, of each key only the last one
// added, and empties the sorter.
func (s *sorter) drain(yield func(op Op, key, value []byte)) {
	s.sort()
	for i := range s.writes {
		w := &s.writes[i]
		if i+1 < len(s.writes) && bytes.Equal(w.key, s.writes[i+1].key) {
			continue
		}
		yield(w.op, w.key, w.value)
	}
	s.reset()
}

func (s *sorter) sort() {
	if len(s.writes) < 2 {
		return
	}
	common := len(s.writes[0].key)
	for i := range s.writes {
		common = shared(s.writes[0].key[:common], s.writes[i].key)
	}
	for i := range s.writes {
		w := &s.writes[i]
		var head [8]byte
		copy(head[:], w.key[common:])
		w.head = binary.BigEndian.Uint64(head[:])
	}
	slices.SortFunc(s.writes, func(a, b write) int {
		if c := cmp.Compare(a.head, b.head); c != 0 {
			return c
		}
		return cmp.Or(bytes.Compare(a.key, b.key), cmp.Compare(a.number, b.number))
	})
}

// shared is how many bytes a and b begin with alike.
func shared(a, b []byte) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return i
		}
	}
	return n
}
