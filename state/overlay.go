package state

import (
	"bytes"
	"hash/maphash"
)

// An overlay is the uncommitted writes of one store-partition: a hash table for
// look-ups, and a skip list for scans that is not built before the first scan of
// a transaction asks for it. Keys and values lie in one arena; everything is
// emptied, not freed, at the end of a transaction, so that a transaction of the
// usual size allocates nothing.
//
// Invariants:
//   - Each write of a key is one entry. The table leads to the newest entry of a
//     key; older ones of the same key exist only because a scan was open when
//     they were replaced, and are marked old.
//   - The skip list orders entries by key, and those of one key newest first.
//   - A scan that began when there were n entries sees of each key the newest
//     entry numbered below n: the overlay as it was then.
type overlay struct {
	seed    maphash.Seed
	arena   []byte
	entries []entry
	table   []uint32 // entry number + 1, open addressing; a power of two long
	live    int      // keys in the table
	scans   int      // open scans

	ordered bool     // the skip list is built
	links   []uint32 // forward links of all entries, from level 1 on
	head    [maxHeight]uint32
	tail    uint32 // the last entry + 1
	rng     uint64
}

const maxHeight = 14

// entry is one write. Links are entry numbers + 1; 0 means none.
type entry struct {
	hash  uint64
	key   int
	value int
	klen  uint32
	vlen  uint32
	vcap  uint32
	flags uint8
	prev  uint32 // skip list, level 0
	next  uint32 // skip list, level 0
	tower uint32 // where in links levels 1 and up begin
}

const (
	flagDeleted = 1 << iota // the write is a delete
	flagOld                 // a newer entry has the same key
)

func newOverlay() *overlay {
	return &overlay{seed: maphash.MakeSeed(), rng: 0x9e3779b97f4a7c15}
}

// reset empties the overlay. No scan may be open. Memory far beyond what this
// transaction used is given back, so that one large transaction does not hold
// its memory for ever.
func (o *overlay) reset() {
	const keep = 1 << 20
	if cap(o.arena) > keep && len(o.arena) < cap(o.arena)/8 {
		o.arena, o.entries, o.table, o.links = nil, nil, nil, nil
	}
	o.arena, o.entries, o.links = o.arena[:0], o.entries[:0], o.links[:0]
	clear(o.table)
	o.live, o.ordered, o.tail = 0, false, 0
	o.head = [maxHeight]uint32{}
}

// size is the memory in use, in bytes.
func (o *overlay) size() int { return len(o.arena) + 56*len(o.entries) }

func (o *overlay) keyOf(e *entry) []byte {
	return o.arena[e.key : e.key+int(e.klen) : e.key+int(e.klen)]
}

func (o *overlay) valueOf(e *entry) []byte {
	return o.arena[e.value : e.value+int(e.vlen) : e.value+int(e.vlen)]
}

// find returns the newest entry of key, or nil, and the slot of the table where
// it is or belongs.
func (o *overlay) find(key []byte, hash uint64) (*entry, uint64) {
	mask := uint64(len(o.table) - 1)
	for slot := hash & mask; ; slot = (slot + 1) & mask {
		n := o.table[slot]
		if n == 0 {
			return nil, slot
		}
		if e := &o.entries[n-1]; e.hash == hash && string(o.keyOf(e)) == string(key) {
			return e, slot
		}
	}
}

// get returns the value written for key; deleted tells of a delete. The value is
// valid until the next write.
func (o *overlay) get(key []byte) (value []byte, deleted, ok bool) {
	if o.live == 0 {
		return nil, false, false
	}
	e, _ := o.find(key, maphash.Bytes(o.seed, key))
	if e == nil {
		return nil, false, false
	}
	return o.valueOf(e), e.flags&flagDeleted != 0, true
}

// put writes a value, or a delete.
func (o *overlay) put(key, value []byte, deleted bool) {
	if len(o.table) == 0 || o.live*2 >= len(o.table) {
		o.grow()
	}
	hash := maphash.Bytes(o.seed, key)
	old, slot := o.find(key, hash)
	if old != nil && o.scans == 0 {
		o.replace(old, value, deleted)
		return
	}
	e := entry{hash: hash, klen: uint32(len(key))}
	if old != nil {
		old.flags |= flagOld
		e.key = old.key
	} else {
		o.live++
		e.key = len(o.arena)
		o.arena = append(o.arena, key...)
	}
	o.store(&e, value, deleted)
	o.entries = append(o.entries, e)
	n := uint32(len(o.entries))
	o.table[slot] = n
	if o.ordered {
		o.link(n)
	}
}

// replace overwrites an entry no scan can see.
func (o *overlay) replace(e *entry, value []byte, deleted bool) {
	if len(value) > int(e.vcap) {
		o.store(e, value, deleted)
		return
	}
	e.flags &^= flagDeleted
	if deleted {
		e.flags |= flagDeleted
	}
	e.vlen = uint32(len(value))
	copy(o.arena[e.value:], value)
}

func (o *overlay) store(e *entry, value []byte, deleted bool) {
	e.value, e.vlen, e.vcap = len(o.arena), uint32(len(value)), uint32(len(value))
	o.arena = append(o.arena, value...)
	e.flags &^= flagDeleted
	if deleted {
		e.flags |= flagDeleted
	}
}

func (o *overlay) grow() {
	o.table = make([]uint32, max(64, 2*len(o.table)))
	mask := uint64(len(o.table) - 1)
	for i := range o.entries {
		e := &o.entries[i]
		if e.flags&flagOld != 0 {
			continue
		}
		slot := e.hash & mask
		for o.table[slot] != 0 {
			slot = (slot + 1) & mask
		}
		o.table[slot] = uint32(i + 1)
	}
}

// deleteRange makes every write in [lo, hi) a delete.
func (o *overlay) deleteRange(lo, hi []byte) {
	for i, n := 0, len(o.entries); i < n; i++ {
		e := &o.entries[i]
		if e.flags&(flagOld|flagDeleted) != 0 {
			continue
		}
		if k := o.keyOf(e); bytes.Compare(k, lo) >= 0 && bytes.Compare(k, hi) < 0 {
			o.put(k, nil, true)
		}
	}
}

// order builds the skip list if there is none yet.
func (o *overlay) order() {
	if o.ordered {
		return
	}
	o.ordered = true
	for n := range o.entries {
		o.link(uint32(n + 1))
	}
}

// newest yields the newest entry of each key, with its number: in the order of
// keys where that is known.
func (o *overlay) newest(yield func(number uint32, e *entry)) {
	n, left := uint32(1), len(o.entries)
	if o.ordered {
		n = o.head[0]
	}
	for ; left > 0; left-- {
		e := &o.entries[n-1]
		if e.flags&flagOld == 0 {
			yield(n-1, e)
		}
		if n++; o.ordered {
			n = e.next
		}
	}
}

func (o *overlay) keyNumbered(n uint32) []byte { return o.keyOf(&o.entries[n]) }

func (o *overlay) forward(n uint32, level int) *uint32 {
	switch {
	case n == 0:
		return &o.head[level]
	case level == 0:
		return &o.entries[n-1].next
	}
	return &o.links[int(o.entries[n-1].tower)+level-1]
}

// link puts entry n into the skip list. Entries come in the order of their
// numbers, so that a later one of the same key goes before the earlier ones.
func (o *overlay) link(n uint32) {
	e := &o.entries[n-1]
	key := o.keyOf(e)
	o.rng ^= o.rng << 13
	o.rng ^= o.rng >> 7
	o.rng ^= o.rng << 17
	height := 1
	for bits := o.rng; bits&3 == 0 && height < maxHeight; bits >>= 2 {
		height++
	}
	e.tower = uint32(len(o.links))
	for range height - 1 {
		o.links = append(o.links, 0)
	}
	at := uint32(0)
	for level := maxHeight - 1; level >= 0; level-- {
		at = o.advance(at, level, key)
		if level < height {
			next := o.forward(at, level)
			*o.forward(n, level) = *next
			*next = n
		}
	}
	e.prev = at
	if e.next != 0 {
		o.entries[e.next-1].prev = n
	} else {
		o.tail = n
	}
}

// advance goes on from at to the last entry of a level whose key is below key.
func (o *overlay) advance(at uint32, level int, key []byte) uint32 {
	for {
		n := *o.forward(at, level)
		if n == 0 || bytes.Compare(o.keyOf(&o.entries[n-1]), key) >= 0 {
			return at
		}
		at = n
	}
}

// before returns the last entry whose key is below key, or 0.
func (o *overlay) before(key []byte) uint32 {
	at := uint32(0)
	for level := maxHeight - 1; level >= 0; level-- {
		at = o.advance(at, level, key)
	}
	return at
}
