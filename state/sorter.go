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
// the same writes take in random order. Files of rows must be sorted.
//
// What is sorted are the numbers by which the caller finds its writes, and which
// grow from one write to the next. They are sorted byte by byte over the eight
// bytes behind what all keys begin with, and where those are equal, over the
// next eight.
type sorter struct {
	key    func(number uint32) []byte
	places []place
	spare  []place // as long as places, while sorting
}

// place is one write. head is a part of its key, with which most comparisons can
// do: to look at the key itself is to wait for memory.
type place struct {
	head   uint64
	number uint32
	length uint32 // of the key
}

// add appends a write. Its number is larger than those before.
func (s *sorter) add(number uint32, key int) {
	s.places = append(s.places, place{number: number, length: uint32(key)})
}

// same reports whether two writes whose keys are equal up to their heads, which
// end at known, are of one key.
func (s *sorter) same(a, b *place, known int) bool {
	return a.head == b.head && a.length == b.length &&
		(int(a.length) <= known || bytes.Equal(s.key(a.number), s.key(b.number)))
}

// size is the memory in use, in bytes, that of sorting included.
func (s *sorter) size() int { return 2 * 16 * len(s.places) }

// drain yields the writes in the order of their keys, of each key only the last
// one added, and empties the sorter. key gives the key of a write.
func (s *sorter) drain(key func(number uint32) []byte, yield func(number uint32)) {
	s.key = key
	s.spare = slices.Grow(s.spare[:0], len(s.places))[:len(s.places)]
	known := s.sort(s.places, s.spare, 0)
	for i := range s.places {
		if i+1 < len(s.places) && s.same(&s.places[i], &s.places[i+1], known) {
			continue
		}
		yield(s.places[i].number)
	}
	s.key = nil
	s.reset()
}

// reset empties the sorter. It keeps the memory of a usual commit.
func (s *sorter) reset() {
	s.places = s.places[:0]
	if cap(s.places) > 64<<10 {
		s.places, s.spare = nil, nil
	}
}

// fewPlaces is up to how many writes are sorted by comparing.
const fewPlaces = 96

// sort sorts writes whose keys have the first known bytes in common, equal keys
// by number. It returns where the heads end that it leaves.
func (s *sorter) sort(places, spare []place, known int) (end int) {
	if len(places) < 2 {
		return known
	}
	first := s.key(places[0].number)
	common := len(first)
	for i := range places {
		common = known + shared(first[known:common], s.key(places[i].number)[known:])
	}
	for i := range places {
		places[i].head = head(s.key(places[i].number)[common:])
	}
	end = common + 8
	if len(places) <= fewPlaces {
		s.compare(places)
		return end
	}
	radix(places, spare)
	for from := 0; from < len(places); {
		to := from + 1
		for to < len(places) && places[to].head == places[from].head {
			to++
		}
		s.settle(places[from:to], spare, end)
		from = to
	}
	return end
}

func (s *sorter) compare(places []place) {
	slices.SortFunc(places, func(a, b place) int {
		if c := cmp.Compare(a.head, b.head); c != 0 {
			return c
		}
		return cmp.Or(bytes.Compare(s.key(a.number), s.key(b.number)), cmp.Compare(a.number, b.number))
	})
}

// settle sorts writes with equal heads, which end at known. Where keys end
// before, heads are filled up with zeros, and tell them from nothing.
func (s *sorter) settle(places, spare []place, known int) {
	if len(places) < 2 {
		return
	}
	alike, short := true, false
	for i := range places {
		alike, short = alike && s.same(&places[0], &places[i], known), short || int(places[i].length) < known
	}
	switch {
	case alike:
	case short:
		s.compare(places)
	default:
		head := places[0].head
		s.sort(places, spare, known)
		for i := range places {
			places[i].head = head
		}
	}
}

// head is the first eight bytes of a key as a number, filled up with zeros.
func head(key []byte) uint64 {
	if len(key) >= 8 {
		return binary.BigEndian.Uint64(key)
	}
	var b [8]byte
	copy(b[:], key)
	return binary.BigEndian.Uint64(b[:])
}

// radix sorts by head, from the last byte to the first, and keeps the order of
// equal heads. Bytes in which all are alike cost one look.
func radix(places, spare []place) {
	var counts [8][256]uint32
	for i := range places {
		h := places[i].head
		for b := range 8 {
			counts[b][byte(h>>(8*b))]++
		}
	}
	from, to := places, spare[:len(places)]
	for b := range 8 {
		c := &counts[b]
		if c[byte(from[0].head>>(8*b))] == uint32(len(places)) {
			continue
		}
		sum := uint32(0)
		for i := range c {
			c[i], sum = sum, sum+c[i]
		}
		for i := range from {
			at := &c[byte(from[i].head>>(8*b))]
			to[*at] = from[i]
			*at++
		}
		from, to = to, from
	}
	if &from[0] != &places[0] {
		copy(places, from)
	}
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
