// Package murmur2 is the hash by which Kafka's clients choose the partition of
// a key.
package murmur2

import "encoding/binary"

const (
	seed = 0x9747b28c
	m    = 0x5bd1e995
	r    = 24
)

// Sum is the 32-bit murmur2 of b, seeded as in Kafka's Java client.
func Sum(b []byte) uint32 {
	h := uint32(seed) ^ uint32(len(b))
	for len(b) >= 4 {
		k := binary.LittleEndian.Uint32(b)
		k *= m
		k ^= k >> r
		k *= m
		h = h*m ^ k
		b = b[4:]
	}
	switch len(b) {
	case 3:
		h ^= uint32(b[2]) << 16
		fallthrough
	case 2:
		h ^= uint32(b[1]) << 8
		fallthrough
	case 1:
		h ^= uint32(b[0])
		h *= m
	}
	h ^= h >> 13
	h *= m
	return h ^ h>>15
}

// Partition is the partition, of n, that a record with this key goes to unless
// its producer says otherwise. n must be positive.
func Partition(key []byte, n int32) int32 {
	return int32(Sum(key)&0x7fffffff) % n
}
