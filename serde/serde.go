// Package serde turns typed keys and values into bytes and back.
//
// The built-in serdes write exactly the bytes Kafka Streams' serdes of the same
// name write, so that topics, changelogs and partitions are shared with Java
// programs.
//
// A null key or value is no bytes at all, which is not the same as zero bytes.
// A serde sees null only when its type has one: see [NullTest].
package serde

import "errors"

// ErrMalformed is wrapped by every error of a built-in Decode that is caused
// by its input.
var ErrMalformed = errors.New("malformed input")

// A Serde encodes and decodes values of one type. It is safe for concurrent
// use, unless it comes from [ForTask].
type Serde[T any] interface {
	// Append appends the encoding of v to dst and returns the extended slice.
	Append(dst []byte, v T) ([]byte, error)
	// Decode decodes src into *v, replacing whatever was there. It must not
	// keep src, nor share memory with it.
	Decode(src []byte, v *T) error
}

// nuller is a serde whose type has a value that stands for null. Append is never
// called with it and Decode never produces it: whoever calls them maps null to
// missing bytes and back.
type nuller[T any] interface{ IsNull(v T) bool }

// NullTest returns the function that tells whether a value of s stands for
// null, or nil when s has no such value. A serde that has one implements
//
//	IsNull(v T) bool
//
// and its zero value must be null. Of the serdes here [Bytes] (a nil slice),
// [Nullable] (a nil pointer) and [Void] (always) do.
func NullTest[T any](s Serde[T]) func(T) bool {
	if n, ok := s.(nuller[T]); ok {
		return n.IsNull
	}
	return nil
}

// tasker is a serde that has a faster form for a single owner.
type tasker[T any] interface{ ForTask() Serde[T] }

// ForTask returns a form of s for the use of one goroutine at a time, which may
// keep memory of what it has decoded; [String] interns the strings it has seen.
// A serde that has such a form implements
//
//	ForTask() Serde[T]
//
// Others are returned as they are.
func ForTask[T any](s Serde[T]) Serde[T] {
	if t, ok := s.(tasker[T]); ok {
		return t.ForTask()
	}
	return s
}

type funcs[T any] struct {
	enc func([]byte, T) ([]byte, error)
	dec func([]byte, *T) error
}

func (f funcs[T]) Append(dst []byte, v T) ([]byte, error) { return f.enc(dst, v) }
func (f funcs[T]) Decode(src []byte, v *T) error          { return f.dec(src, v) }

// Of makes a Serde of two functions, which must keep the contract of
// [Serde.Append] and [Serde.Decode].
func Of[T any](enc func(dst []byte, v T) ([]byte, error), dec func(src []byte, v *T) error) Serde[T] {
	return funcs[T]{enc, dec}
}
