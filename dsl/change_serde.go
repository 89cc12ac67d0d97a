package dsl

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/thalweg/thalweg/serde"
)

// changeSerde writes changes to the repartition topic of a grouped table, in
// the bytes of Kafka Streams: the last byte says which values there are.
//
//	new | 01            added
//	old | 00            removed
//	n | new | old | 02  both, n being the length of new as a signed varint
//
// On reading, 3, 4 and 5 are 0, 1 and 2 with one byte more before the last, a
// flag which is not needed.
type changeSerde[V any] struct{ of serde.Serde[V] }

const (
	changeOld byte = iota
	changeNew
	changeBoth
)

var errEmptyChange = errors.New("dsl: a change without values cannot be written")

func (s changeSerde[V]) Append(dst []byte, ch Change[V]) ([]byte, error) {
	switch {
	case ch.HasNew && ch.HasOld:
		at := len(dst)
		out, err := s.of.Append(dst, ch.New)
		if err != nil {
			return dst, err
		}
		var head [binary.MaxVarintLen64]byte
		n := binary.PutVarint(head[:], int64(len(out)-at))
		out = append(out, head[:n]...)
		copy(out[at+n:], out[at:len(out)-n])
		copy(out[at:], head[:n])
		if out, err = s.of.Append(out, ch.Old); err != nil {
			return dst, err
		}
		return append(out, changeBoth), nil
	case ch.HasNew:
		return s.one(dst, ch.New, changeNew)
	case ch.HasOld:
		return s.one(dst, ch.Old, changeOld)
	default:
		return dst, errEmptyChange
	}
}

func (s changeSerde[V]) one(dst []byte, v V, flag byte) ([]byte, error) {
	out, err := s.of.Append(dst, v)
	if err != nil {
		return dst, err
	}
	return append(out, flag), nil
}

func (s changeSerde[V]) Decode(src []byte, ch *Change[V]) error {
	*ch = Change[V]{}
	if len(src) == 0 {
		return fmt.Errorf("dsl: change: %w: no bytes", serde.ErrMalformed)
	}
	flag, body := src[len(src)-1], src[:len(src)-1]
	if flag >= 3 && flag <= 5 && len(body) > 0 {
		flag, body = flag-3, body[:len(body)-1]
	}
	switch flag {
	case changeOld:
		ch.HasOld = true
		return s.of.Decode(body, &ch.Old)
	case changeNew:
		ch.HasNew = true
		return s.of.Decode(body, &ch.New)
	case changeBoth:
		size, n := binary.Varint(body)
		if n <= 0 || size < 0 || size > int64(len(body)-n) {
			return fmt.Errorf("dsl: change: %w: length %d in %d bytes", serde.ErrMalformed, size, len(body))
		}
		ch.HasNew, ch.HasOld = true, true
		if err := s.of.Decode(body[n:n+int(size)], &ch.New); err != nil {
			return err
		}
		return s.of.Decode(body[n+int(size):], &ch.Old)
	default:
		return fmt.Errorf("dsl: change: %w: kind %d", serde.ErrMalformed, flag)
	}
}

func (s changeSerde[V]) ForTask() serde.Serde[Change[V]] {
	return changeSerde[V]{serde.ForTask(s.of)}
}
