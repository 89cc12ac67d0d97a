package serde

import (
	"unicode/utf8"
	"unsafe"
)

// UTF8 is [String] for text that must be UTF-8: whatever is not is replaced by
// U+FFFD, when it is encoded and when it is decoded, by the rules of Java. It
// reads any bytes as Kafka's StringDeserializer does.
var UTF8 Serde[string] = utf8Serde{String}

type utf8Serde struct{ of Serde[string] }

func (s utf8Serde) Append(dst []byte, v string) ([]byte, error) {
	if utf8.ValidString(v) {
		return append(dst, v...), nil
	}
	return appendReplaced(dst, unsafe.Slice(unsafe.StringData(v), len(v))), nil
}

func (s utf8Serde) Decode(src []byte, v *string) error {
	if !utf8.Valid(src) {
		src = appendReplaced(nil, src)
	}
	return s.of.Decode(src, v)
}

func (s utf8Serde) ForTask() Serde[string] { return utf8Serde{ForTask(s.of)} }

// appendReplaced appends src with U+FFFD for each part that is malformed.
func appendReplaced(dst, src []byte) []byte {
	for len(src) > 0 {
		r, n := utf8.DecodeRune(src)
		if r == utf8.RuneError && n == 1 {
			n = malformed(src)
		}
		dst = utf8.AppendRune(dst, r)
		src = src[n:]
	}
	return dst
}

// malformed is how many bytes at the head of src Java replaces by one U+FFFD: the
// longest beginning of a character that is there, and the whole of a surrogate.
func malformed(src []byte) int {
	lo, hi, size := byte(0x80), byte(0xbf), 0 // of the second byte, and of the character
	switch b := src[0]; {
	case b >= 0xe0 && b <= 0xef:
		size = 3
		if b == 0xe0 {
			lo = 0xa0
		}
	case b >= 0xf0 && b <= 0xf4:
		size = 4
		if b == 0xf0 {
			lo = 0x90
		} else if b == 0xf4 {
			hi = 0x8f
		}
	}
	n := 1
	for n < size && n < len(src) && src[n] >= lo && src[n] <= hi {
		lo, hi = 0x80, 0xbf
		n++
	}
	return n
}
