package serde

import (
	"errors"
	"fmt"
)

// Nullable gives the type of inner a null: a nil pointer. Operators on such a
// type see nulls and may return them, as all operators of Kafka Streams do.
//
// Decode allocates a new T each time, because pointers are kept by what comes
// after.
func Nullable[T any](inner Serde[T]) Serde[*T] { return nullable[T]{inner} }

type nullable[T any] struct{ inner Serde[T] }

var errNullValue = errors.New("serde: a null cannot be encoded: its record has no bytes")

func (s nullable[T]) Append(dst []byte, v *T) ([]byte, error) {
	if v == nil {
		return dst, errNullValue
	}
	return s.inner.Append(dst, *v)
}

func (s nullable[T]) Decode(src []byte, v **T) error {
	n := new(T)
	if err := s.inner.Decode(src, n); err != nil {
		return err
	}
	*v = n
	return nil
}

func (s nullable[T]) IsNull(v *T) bool { return v == nil }

func (s nullable[T]) ForTask() Serde[*T] { return nullable[T]{ForTask(s.inner)} }

// Void is for keys or values that are always null. Bytes that are there, even
// none, are malformed.
var Void Serde[struct{}] = voidSerde{}

type voidSerde struct{}

func (voidSerde) Append(dst []byte, _ struct{}) ([]byte, error) { return dst, errNullValue }

func (voidSerde) Decode(src []byte, _ *struct{}) error {
	return fmt.Errorf("serde: void: %w: %d bytes, want null", ErrMalformed, len(src))
}

func (voidSerde) IsNull(struct{}) bool { return true }
