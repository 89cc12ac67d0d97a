package serde

import (
	"encoding/json/v2"
	"fmt"
	"sync"
)

// JSON is the JSON encoding of T by encoding/json/v2 with the given options.
// Names are matched case-sensitively, and duplicate names and invalid UTF-8 are
// errors.
//
// Decode sets the target to zero first, so that a field missing in the input is
// zero and not what the record before left there. Neither direction allocates
// beyond what T itself needs.
func JSON[T any](opts ...json.Options) Serde[T] {
	s := &jsonSerde[T]{opts: json.JoinOptions(opts...)}
	s.pool.New = func() any { return new(jsonWriter[T]) }
	return s
}

type jsonSerde[T any] struct {
	opts json.Options
	pool sync.Pool // of *jsonWriter[T]
}

// jsonWriter gives json.MarshalWrite an address for the value and a place for
// the bytes, neither of which then has to be made for each record.
type jsonWriter[T any] struct {
	v   T
	dst []byte
}

func (w *jsonWriter[T]) Write(p []byte) (int, error) {
	w.dst = append(w.dst, p...)
	return len(p), nil
}

func (s *jsonSerde[T]) Append(dst []byte, v T) ([]byte, error) {
	w := s.pool.Get().(*jsonWriter[T])
	w.v, w.dst = v, dst
	err := json.MarshalWrite(w, &w.v, s.opts)
	out := w.dst
	*w = jsonWriter[T]{}
	s.pool.Put(w)
	if err != nil {
		return dst, fmt.Errorf("serde: json: encode %T: %w", v, err)
	}
	return out, nil
}

func (s *jsonSerde[T]) Decode(src []byte, v *T) error {
	var zero T
	*v = zero
	if err := json.Unmarshal(src, v, s.opts); err != nil {
		return fmt.Errorf("serde: json: decode %T: %w: %w", *v, ErrMalformed, err)
	}
	return nil
}

// JSONWith is JSON by another implementation, given by two functions of the
// usual shape. Decode sets the target to zero first, as [JSON] does. unmarshal
// must not keep its input.
func JSONWith[T any](marshal func(v any) ([]byte, error), unmarshal func(data []byte, v any) error) Serde[T] {
	return jsonWith[T]{marshal, unmarshal}
}

type jsonWith[T any] struct {
	marshal   func(v any) ([]byte, error)
	unmarshal func(data []byte, v any) error
}

func (s jsonWith[T]) Append(dst []byte, v T) ([]byte, error) {
	b, err := s.marshal(&v)
	if err != nil {
		return dst, fmt.Errorf("serde: json: encode %T: %w", v, err)
	}
	return append(dst, b...), nil
}

func (s jsonWith[T]) Decode(src []byte, v *T) error {
	var zero T
	*v = zero
	if err := s.unmarshal(src, v); err != nil {
		return fmt.Errorf("serde: json: decode %T: %w: %w", *v, ErrMalformed, err)
	}
	return nil
}
