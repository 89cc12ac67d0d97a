package serde

import "hash/maphash"

var (
	// String is the bytes of the string, which should be UTF-8. Unlike Kafka's
	// it keeps bytes that are not valid UTF-8 as they are, so that they survive
	// a round trip.
	//
	// Inside a task it interns: see [ForTask].
	String Serde[string] = stringSerde{}

	// Bytes is the bytes as they are. A nil slice is null; an empty one is not.
	// Decode copies.
	Bytes Serde[[]byte] = bytesSerde{}
)

type stringSerde struct{}

func (stringSerde) Append(dst []byte, v string) ([]byte, error) { return append(dst, v...), nil }

func (stringSerde) Decode(src []byte, v *string) error {
	*v = string(src)
	return nil
}

func (stringSerde) ForTask() Serde[string] { return Interning(0) }

type bytesSerde struct{}

func (bytesSerde) Append(dst []byte, v []byte) ([]byte, error) { return append(dst, v...), nil }

func (bytesSerde) Decode(src []byte, v *[]byte) error {
	*v = append(make([]byte, 0, len(src)), src...)
	return nil
}

func (bytesSerde) IsNull(v []byte) bool { return v == nil }

const (
	internDefault = 8192 // slots of a table of unstated size
	internStart   = 64   // slots of a new table
	internLongest = 128  // longer strings are not kept
)

// Interning returns a serde for strings whose Decode remembers up to max
// strings (0 means some thousands) and returns those again without allocating.
// It is for the use of one goroutine at a time. It holds copies, never the
// decoded bytes themselves; strings longer than 128 bytes are not remembered.
//
// The table is direct-mapped: a string that hashes to a taken slot replaces the
// one there. It therefore never grows beyond max, needs no eviction, and a key
// that comes often comes back soon.
func Interning(max int) Serde[string] {
	if max <= 0 {
		max = internDefault
	}
	n := internStart
	for n < max && n < 1<<24 {
		n *= 2
	}
	return &interner{seed: maphash.MakeSeed(), max: n}
}

type interner struct {
	stringSerde
	seed  maphash.Seed
	slots []string // a power of two
	used  int
	max   int
}

func (s *interner) Decode(src []byte, v *string) error {
	if len(src) == 0 {
		*v = ""
		return nil
	}
	if len(src) > internLongest {
		*v = string(src)
		return nil
	}
	if s.slots == nil {
		s.slots = make([]string, min(internStart, s.max))
	}
	slot := &s.slots[maphash.Bytes(s.seed, src)&uint64(len(s.slots)-1)]
	if *slot == string(src) { // compares without a conversion
		*v = *slot
		return nil
	}
	if *slot == "" {
		s.used++
	}
	*slot = string(src)
	*v = *slot
	if s.used*2 > len(s.slots) && len(s.slots) < s.max {
		s.grow()
	}
	return nil
}

func (s *interner) grow() {
	old := s.slots
	s.slots = make([]string, 2*len(old))
	s.used = 0
	for _, str := range old {
		if str == "" {
			continue
		}
		slot := &s.slots[maphash.String(s.seed, str)&uint64(len(s.slots)-1)]
		if *slot == "" {
			s.used++
		}
		*slot = str
	}
}

// ForTask returns a table of its own: an interner is never shared.
func (s *interner) ForTask() Serde[string] { return Interning(s.max) }
