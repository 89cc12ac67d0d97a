package state

import (
	"encoding/binary"
	"errors"
	"math"
	"slices"
)

// A Batch is a list of writes in the encoding RocksDB and Pebble share for their
// write batches, so that an engine takes it as it is, in a single call:
//
//	8 bytes sequence number (0) | uint32 count, little endian | records
//	record: kind | uvarint length | key [| uvarint length | value]
//
// Later writes win over earlier ones. A Batch keeps its memory over Reset.
type Batch struct {
	data  []byte
	count uint32
	last  int // where the last record begins
}

// Op is the kind of one write of a batch, with its number in the encoding.
type Op byte

const (
	OpDelete      Op = 0x0
	OpPut         Op = 0x1
	OpDeleteRange Op = 0xf
)

const batchHeader = 12

var errBatchCorrupt = errors.New("state: corrupt batch")

// Reset empties the batch.
func (b *Batch) Reset() { b.data, b.count, b.last = b.data[:0], 0, 0 }

// Len is the number of writes, Size their encoded size in bytes.
func (b *Batch) Len() int  { return int(b.count) }
func (b *Batch) Size() int { return len(b.data) }

// Put sets key to value.
func (b *Batch) Put(key, value []byte) { b.write(OpPut, nil, key, value) }

// Delete removes key.
func (b *Batch) Delete(key []byte) { b.write(OpDelete, nil, key, nil) }

// DeleteRange removes the keys in [lo, hi).
func (b *Batch) DeleteRange(lo, hi []byte) { b.write(OpDeleteRange, nil, lo, hi) }

// write appends a record whose key is prefix followed by key.
func (b *Batch) write(op Op, prefix, key, value []byte) {
	if len(b.data) == 0 {
		b.data = append(b.data, make([]byte, batchHeader)...)
	}
	b.count++
	b.last = len(b.data)
	b.data = append(b.data, byte(op))
	b.data = binary.AppendUvarint(b.data, uint64(len(prefix)+len(key)))
	b.data = append(append(b.data, prefix...), key...)
	if op != OpDelete {
		b.data = binary.AppendUvarint(b.data, uint64(len(value)))
		b.data = append(b.data, value...)
	}
}

// Bytes returns the encoded batch. It is valid until the batch is changed.
func (b *Batch) Bytes() []byte {
	if len(b.data) == 0 {
		b.data = append(b.data, make([]byte, batchHeader)...)
	}
	binary.LittleEndian.PutUint32(b.data[8:], b.count)
	return b.data
}

// Records returns the encoded batch without its header. It is valid until the
// batch is changed.
func (b *Batch) Records() []byte { return b.Bytes()[batchHeader:] }

// Each calls f for each write in order until f returns false. For OpDeleteRange
// key and value are the ends of the range. The slices belong to the batch.
func (b *Batch) Each(f func(op Op, key, value []byte) bool) error {
	if len(b.data) == 0 {
		return nil
	}
	rest := b.data[batchHeader:]
	for len(rest) > 0 {
		op := Op(rest[0])
		key, after, ok := takeBytes(rest[1:])
		if !ok || (op != OpDelete && op != OpPut && op != OpDeleteRange) {
			return errBatchCorrupt
		}
		var value []byte
		if op != OpDelete {
			if value, after, ok = takeBytes(after); !ok {
				return errBatchCorrupt
			}
		}
		if !f(op, key, value) {
			return nil
		}
		rest = after
	}
	return nil
}

// at returns the write whose record begins at an offset that was last.
func (b *Batch) at(offset uint32) (op Op, key, value []byte) {
	op = Op(b.data[offset])
	key, rest, _ := takeBytes(b.data[offset+1:])
	if op != OpDelete {
		value, _, _ = takeBytes(rest)
	}
	return op, key, value
}

func (b *Batch) key(offset uint32) []byte {
	key, _, _ := takeBytes(b.data[offset+1:])
	return key
}

func takeBytes(src []byte) (b, rest []byte, ok bool) {
	n, w := binary.Uvarint(src)
	if w <= 0 || n > math.MaxInt32 || int(n) > len(src)-w {
		return nil, nil, false
	}
	return src[w : w+int(n) : w+int(n)], src[w+int(n):], true
}

// grow makes room for n more bytes.
func (b *Batch) grow(n int) { b.data = slices.Grow(b.data, n) }

// shrink empties the batch and gives back the memory of a large one.
func (b *Batch) shrink() {
	if cap(b.data) > 2<<20 {
		b.data = nil
	}
	b.Reset()
}
