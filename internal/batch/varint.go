package batch

import "math/bits"

// uvarint decodes an unsigned varint of at most maxBytes bytes from b.
// It returns n == 0 when b ends early or the number is too long.
func uvarint(b []byte, maxBytes int) (v uint64, n int) {
	if len(b) > 0 && b[0] < 0x80 {
		return uint64(b[0]), 1
	}
	var shift uint
	for i := 0; i < len(b) && i < maxBytes; i++ {
		c := b[i]
		v |= uint64(c&0x7f) << shift
		if c < 0x80 {
			return v, i + 1
		}
		shift += 7
	}
	return 0, 0
}

// varint decodes a zig-zag 32-bit number.
func varint(b []byte) (int32, int) {
	u, n := uvarint(b, 5)
	x := uint32(u)
	return int32(x>>1) ^ -int32(x&1), n
}

// varlong decodes a zig-zag 64-bit number.
func varlong(b []byte) (int64, int) {
	u, n := uvarint(b, 10)
	return int64(u>>1) ^ -int64(u&1), n
}

// appendVarint encodes a zig-zag number; 32- and 64-bit ones share the bytes.
func appendVarint(dst []byte, v int64) []byte {
	u := uint64(v<<1) ^ uint64(v>>63)
	for u >= 0x80 {
		dst = append(dst, byte(u)|0x80)
		u >>= 7
	}
	return append(dst, byte(u))
}

func sizeVarint(v int64) int {
	u := uint64(v<<1) ^ uint64(v>>63)
	return (bits.Len64(u|1) + 6) / 7
}
