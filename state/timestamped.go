package state

import "github.com/thalweg/thalweg/serde"

// A TimestampedHandle names a timestamped key-value store and fixes its types.
type TimestampedHandle[K, V any] struct {
	spec Spec
	ks   serde.Serde[K]
	vs   serde.Serde[V]
}

// Timestamped declares a key-value store that keeps a timestamp with each value:
// what tables and aggregates are kept in. Its changelog has the plain value, and
// the timestamp in the record.
func Timestamped[K, V any](name string, ks serde.Serde[K], vs serde.Serde[V], opts ...Option) TimestampedHandle[K, V] {
	return TimestampedHandle[K, V]{newSpec[K, V](name, TypeTimestamped, opts), ks, vs}
}

// With returns the handle with more options.
func (h TimestampedHandle[K, V]) With(opts ...Option) TimestampedHandle[K, V] {
	h.spec = h.spec.with(opts)
	return h
}

// StoreName returns the store's name.
func (h TimestampedHandle[K, V]) StoreName() string { return h.spec.Name }

// Spec describes the store.
func (h TimestampedHandle[K, V]) Spec() Spec { return h.spec }

// Open opens the store in a task.
func (h TimestampedHandle[K, V]) Open(env Env) (Store, error) { return h.OpenKV(env), nil }

// OpenKV is Open with the store's type.
func (h TimestampedHandle[K, V]) OpenKV(env Env) *TimestampedKV[K, V] {
	return &TimestampedKV[K, V]{newKeyed(h.spec, env, h.ks, h.vs, true)}
}

// In finds the store among those a processor is connected to.
func (h TimestampedHandle[K, V]) In(s Stores) *TimestampedKV[K, V] {
	return found(s, h.spec.Name, func(err error) *TimestampedKV[K, V] {
		return &TimestampedKV[K, V]{keyed[K, V]{rows: rows[V]{spec: h.spec, fault: err}, ks: h.ks}}
	})
}

// TimestampedKV is a timestamped key-value store of a task, and belongs to its
// goroutine. Keys are ordered by their encoded bytes.
type TimestampedKV[K, V any] struct{ keyed[K, V] }

// Get returns the value of k and its timestamp.
func (s *TimestampedKV[K, V]) Get(k K) (v V, ts int64, ok bool, err error) {
	row, err := s.row(k)
	if err != nil {
		return v, 0, false, err
	}
	return s.get(row)
}

// GetTracked is Get for a caller that acts on what it gets: where a cache has not
// passed that on yet, its next flush does, with [Update].ReadAhead, even if by then
// the row is deleted again and it would be as if it had never been.
func (s *TimestampedKV[K, V]) GetTracked(k K) (v V, ts int64, ok bool, err error) {
	row, err := s.row(k)
	if err != nil {
		return v, 0, false, err
	}
	return s.getTracked(row)
}

// Put sets the value of k and its timestamp, whatever timestamp there was. A
// value that is null deletes.
func (s *TimestampedKV[K, V]) Put(k K, v V, ts int64) error {
	row, err := s.row(k)
	if err != nil {
		return err
	}
	if s.expiry != nil {
		if err := s.expiry.touch(row, ts); err != nil {
			return err
		}
	}
	return s.put(row, v, ts)
}
