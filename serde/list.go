package serde

import (
	"encoding/binary"
	"fmt"
	"math"
)

// The two layouts of Kafka's ListSerde.
const (
	listFixed    = 0 // 00 | int32 nulls | int32 index of each null | int32 size | elements
	listVariable = 1 // 01 | int32 size | (int32 length or -1 for null | element)*
)

// List is a list of inner's type in the layout of Kafka's ListSerde: compact for
// [Int16], [Int32], [Int64], [Float32], [Float64] and [UUID], with a length
// before each element otherwise. Null elements are written and read when inner
// has nulls, and refused otherwise. A nil list is an empty list; for lists
// that may be null use Nullable(List(inner)).
func List[T any](inner Serde[T]) Serde[[]T] {
	l := &list[T]{inner: inner, isNull: NullTest(inner)}
	elem := any(inner)
	if n, ok := elem.(interface{ unwrap() any }); ok {
		elem = n.unwrap()
	}
	if f, ok := elem.(fixedSizer); ok {
		l.size = f.fixedSize()
	}
	return l
}

func (s nullable[T]) unwrap() any { return s.inner }

type list[T any] struct {
	inner  Serde[T]
	isNull func(T) bool // nil when elements cannot be null
	size   int          // of each element; 0 when they vary
}

func (l *list[T]) Append(dst []byte, v []T) ([]byte, error) {
	if len(v) > math.MaxInt32 {
		return dst, fmt.Errorf("serde: list: %d elements do not fit", len(v))
	}
	if l.size > 0 {
		return l.appendFixed(dst, v)
	}
	out := append(dst, listVariable)
	out = binary.BigEndian.AppendUint32(out, uint32(len(v)))
	for i := range v {
		if l.isNull != nil && l.isNull(v[i]) {
			out = binary.BigEndian.AppendUint32(out, math.MaxUint32)
			continue
		}
		at := len(out)
		var err error
		if out, err = l.inner.Append(append(out, 0, 0, 0, 0), v[i]); err != nil {
			return dst, fmt.Errorf("serde: list: element %d: %w", i, err)
		}
		n := len(out) - at - 4
		if n > math.MaxInt32 {
			return dst, fmt.Errorf("serde: list: element %d has %d bytes", i, n)
		}
		binary.BigEndian.PutUint32(out[at:], uint32(n))
	}
	return out, nil
}

func (l *list[T]) appendFixed(dst []byte, v []T) ([]byte, error) {
	out := append(dst, listFixed, 0, 0, 0, 0)
	at := len(out) - 4
	if l.isNull != nil {
		nulls := uint32(0)
		for i := range v {
			if l.isNull(v[i]) {
				out = binary.BigEndian.AppendUint32(out, uint32(i))
				nulls++
			}
		}
		binary.BigEndian.PutUint32(out[at:], nulls)
	}
	out = binary.BigEndian.AppendUint32(out, uint32(len(v)))
	for i := range v {
		if l.isNull != nil && l.isNull(v[i]) {
			continue
		}
		var err error
		if out, err = l.inner.Append(out, v[i]); err != nil {
			return dst, fmt.Errorf("serde: list: element %d: %w", i, err)
		}
	}
	return out, nil
}

func malformedList(format string, args ...any) error {
	return fmt.Errorf("serde: list: %w: %s", ErrMalformed, fmt.Sprintf(format, args...))
}

// takeInt32 reads an int32 and returns what follows it.
func takeInt32(src []byte) (n int32, rest []byte, ok bool) {
	if len(src) < 4 {
		return 0, nil, false
	}
	return int32(binary.BigEndian.Uint32(src)), src[4:], true
}

func (l *list[T]) Decode(src []byte, v *[]T) error {
	if len(src) == 0 {
		return malformedList("no bytes")
	}
	want := byte(listVariable)
	if l.size > 0 {
		want = listFixed
	}
	if src[0] != want {
		return malformedList("layout %d, want %d", src[0], want)
	}
	if l.size > 0 {
		return l.decodeFixed(src[1:], v)
	}
	n, rest, ok := takeInt32(src[1:])
	// Each element takes at least its four bytes of length, which bounds what
	// a wrong count can make this allocate.
	if !ok || n < 0 || int(n) > len(rest)/4 {
		return malformedList("%d elements in %d bytes", n, len(rest))
	}
	out := make([]T, n)
	for i := range out {
		var size int32
		if size, rest, ok = takeInt32(rest); !ok || size < -1 || int(size) > len(rest) {
			return malformedList("element %d is cut off", i)
		}
		if size == -1 {
			if l.isNull == nil {
				return malformedList("element %d is null", i)
			}
			continue
		}
		if err := l.inner.Decode(rest[:size:size], &out[i]); err != nil {
			return fmt.Errorf("serde: list: element %d: %w", i, err)
		}
		rest = rest[size:]
	}
	if len(rest) > 0 {
		return malformedList("%d bytes too many", len(rest))
	}
	*v = out
	return nil
}

func (l *list[T]) decodeFixed(src []byte, v *[]T) error {
	nulls, rest, ok := takeInt32(src)
	if !ok || nulls < 0 || int(nulls) > len(rest)/4 {
		return malformedList("%d nulls in %d bytes", nulls, len(rest))
	}
	if nulls > 0 && l.isNull == nil {
		return malformedList("%d null elements", nulls)
	}
	index := rest[:4*nulls]
	n, rest, ok := takeInt32(rest[4*nulls:])
	if !ok || n < nulls || int(n-nulls)*l.size != len(rest) {
		return malformedList("%d elements, %d of them null, in %d bytes", n, nulls, len(rest))
	}
	// Only when the nulls are where they say, each once, do the elements fill
	// what is left.
	last := int64(-1)
	for at := index; len(at) > 0; at = at[4:] {
		next := int64(int32(binary.BigEndian.Uint32(at)))
		if next <= last || next >= int64(n) {
			return malformedList("null at %d of %d", next, n)
		}
		last = next
	}
	out := make([]T, n)
	for i := range out {
		if len(index) > 0 && int(binary.BigEndian.Uint32(index)) == i {
			index = index[4:]
			continue
		}
		if err := l.inner.Decode(rest[:l.size:l.size], &out[i]); err != nil {
			return fmt.Errorf("serde: list: element %d: %w", i, err)
		}
		rest = rest[l.size:]
	}
	*v = out
	return nil
}
