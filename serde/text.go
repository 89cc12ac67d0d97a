package serde

import "hash/maphash"

var (
	// String is the bytes of the string, which should be UTF-8. Unlike Kafka's
	// it keeps bytes that are not valid UTF-8 as they are, so that they survive
	// a round trip and different keys stay different; [UTF8] replaces them.
	//
	// Inside a task it interns: see [ForTask].
	String Serde[string] = stringSerde{}

	// Bytes is the bytes as they are: Kafka's ByteArray, Bytes and ByteBuffer. A
	// nil slice is null; an empty one is not. Decode copies.
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
	internWays    = 4    // slots of a set
	internLongest = 128  // longer strings are not kept
)

// Interning returns a serde for strings whose Decode remembers up to max
// strings (0 means some thousands) and returns those again without allocating.
// It is for the use of one goroutine at a time. It holds copies, never the
// decoded bytes themselves; strings longer than 128 bytes are not remembered.
//
// The table is four-way associative: a string that hashes to a full set replaces
// one of the four there. It therefore never grows beyond max, needs no eviction,
// and keys that come often stay, unless five of them share a set. The hashes lie
// beside the strings, so that only the one which is meant is looked at.
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
	slots []interned // a power of two
	used  int
	max   int
	next  uint // which of a full set goes
	// evicted counts those that went since the table grew.
	evicted int
}

// interned is a string of the table; the empty one marks a free slot.
type interned struct {
	hash uint64
	str  string
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
		s.slots = make([]interned, min(internStart, s.max))
	}
	hash := maphash.Bytes(s.seed, src)
	set := s.set(hash)
	for i := range set {
		if set[i].hash == hash && set[i].str == string(src) { // compares without a conversion
			*v = set[i].str
			return nil
		}
	}
	*v = string(src)
	s.insert(set, interned{hash, *v})
	if (s.used*2 > len(s.slots) || s.evicted > len(s.slots)/2) && len(s.slots) < s.max {
		s.grow()
	}
	return nil
}

func (s *interner) set(hash uint64) []interned {
	at := int(hash) & (len(s.slots) - 1) &^ (internWays - 1)
	return s.slots[at : at+internWays]
}

func (s *interner) insert(set []interned, v interned) {
	for i := range set {
		if set[i].str == "" {
			set[i] = v
			s.used++
			return
		}
	}
	set[s.next%internWays] = v
	s.next++
	s.evicted++
}

func (s *interner) grow() {
	old := s.slots
	s.slots = make([]interned, 2*len(old))
	s.used, s.evicted = 0, 0
	for _, v := range old {
		if v.str != "" {
			s.insert(s.set(v.hash), v)
		}
	}
}

// ForTask returns a table of its own: an interner is never shared.
func (s *interner) ForTask() Serde[string] { return Interning(s.max) }
