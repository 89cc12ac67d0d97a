// Package windowing describes windows over event time: which windows a
// timestamp falls into, when they close, and the keys of windowed tables.
//
// All times are Unix milliseconds, and durations are cut to milliseconds.
package windowing

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/thalweg/thalweg/serde"
)

// Windowed is a key together with the window that it was aggregated in.
//
// For tumbling, hopping, calendar and unlimited windows End is exclusive. For
// sessions Start and End are the times of the first and the last record. For
// sliding windows End is Start plus the time difference, and is inclusive.
type Windowed[K any] struct {
	Key        K
	Start, End int64
}

func (w Windowed[K]) String() string {
	return fmt.Sprintf("[%v@%d/%d]", w.Key, w.Start, w.End)
}

// KeyOf is satisfied by Windowed[K] alone. Methods use it as the constraint of
// a type parameter that the compiler always infers: naming Windowed[K] itself
// in a method's result would be an instantiation cycle.
type KeyOf[K any] interface{ Windowed[K] }

// Key drops the window: t.ToStream().SelectKey(windowing.Key).
func Key[K, V any](w Windowed[K], _ V) K { return w.Key }

// TimeKey is the serde of keys of time and sliding windows, in the bytes of
// Kafka Streams: the key, then the start as eight bytes. end gives the end of
// the window that begins at start; for a fixed size see [EndAfter].
func TimeKey[K any](inner serde.Serde[K], end func(start int64) int64) serde.Serde[Windowed[K]] {
	return timeKey[K]{inner: inner, end: end}
}

// EndAfter returns the end function of windows of the given size in
// milliseconds. Ends that would overflow are the largest time.
func EndAfter(size int64) func(start int64) int64 {
	return func(start int64) int64 {
		if start > math.MaxInt64-size {
			return math.MaxInt64
		}
		return start + size
	}
}

// InnerKey is implemented by serdes of windowed keys. The default partition of
// a windowed key is that of the key inside, so that results lie where their
// inputs did.
type InnerKey interface {
	// InnerKey returns the bytes of the key in the encoding of a windowed key.
	InnerKey(encoded []byte) []byte
}

type timeKey[K any] struct {
	inner serde.Serde[K]
	end   func(start int64) int64
}

func (s timeKey[K]) Append(dst []byte, w Windowed[K]) ([]byte, error) {
	out, err := s.inner.Append(dst, w.Key)
	if err != nil {
		return dst, err
	}
	return binary.BigEndian.AppendUint64(out, uint64(w.Start)), nil
}

func (s timeKey[K]) Decode(src []byte, w *Windowed[K]) error {
	n := len(src) - 8
	if n < 0 {
		return fmt.Errorf("windowing: time-windowed key: %w: %d bytes", serde.ErrMalformed, len(src))
	}
	w.Start = int64(binary.BigEndian.Uint64(src[n:]))
	w.End = s.end(w.Start)
	return s.inner.Decode(src[:n], &w.Key)
}

func (s timeKey[K]) InnerKey(b []byte) []byte { return b[:max(0, len(b)-8)] }

func (s timeKey[K]) ForTask() serde.Serde[Windowed[K]] {
	return timeKey[K]{serde.ForTask(s.inner), s.end}
}

// SessionKey is the serde of keys of session windows, in the bytes of Kafka
// Streams: the key, then the end and the start as eight bytes each.
func SessionKey[K any](inner serde.Serde[K]) serde.Serde[Windowed[K]] {
	return sessionKey[K]{inner}
}

type sessionKey[K any] struct{ inner serde.Serde[K] }

func (s sessionKey[K]) Append(dst []byte, w Windowed[K]) ([]byte, error) {
	out, err := s.inner.Append(dst, w.Key)
	if err != nil {
		return dst, err
	}
	out = binary.BigEndian.AppendUint64(out, uint64(w.End))
	return binary.BigEndian.AppendUint64(out, uint64(w.Start)), nil
}

func (s sessionKey[K]) Decode(src []byte, w *Windowed[K]) error {
	n := len(src) - 16
	if n < 0 {
		return fmt.Errorf("windowing: session-windowed key: %w: %d bytes", serde.ErrMalformed, len(src))
	}
	w.End = int64(binary.BigEndian.Uint64(src[n:]))
	w.Start = int64(binary.BigEndian.Uint64(src[n+8:]))
	return s.inner.Decode(src[:n], &w.Key)
}

func (s sessionKey[K]) InnerKey(b []byte) []byte { return b[:max(0, len(b)-16)] }

func (s sessionKey[K]) ForTask() serde.Serde[Windowed[K]] {
	return sessionKey[K]{serde.ForTask(s.inner)}
}
