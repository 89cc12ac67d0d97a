package state

import (
	"iter"
	"math"
	"time"

	"github.com/thalweg/thalweg/serde"
)

// A WindowHandle names a window store and fixes its types.
type WindowHandle[K, V any] struct {
	spec Spec
	ks   serde.Serde[K]
	vs   serde.Serde[V]
}

// Window declares a store of values by key and window start. A window is seen
// until the stream time of the store, which is the largest start put, is
// retention past its start; retention must not be less than size.
func Window[K, V any](name string, ks serde.Serde[K], vs serde.Serde[V], retention, size time.Duration, opts ...Option) WindowHandle[K, V] {
	spec := newSpec[K, V](name, TypeWindow, opts)
	spec.Retention, spec.WindowSize = retention, size
	return WindowHandle[K, V]{spec, ks, vs}
}

// TimestampedWindow declares a window store that keeps a timestamp with each
// value: what windowed aggregates are kept in.
func TimestampedWindow[K, V any](name string, ks serde.Serde[K], vs serde.Serde[V], retention, size time.Duration, opts ...Option) WindowHandle[K, V] {
	h := Window(name, ks, vs, retention, size, opts...)
	h.spec.Timestamped = true
	return h
}

// With returns the handle with more options.
func (h WindowHandle[K, V]) With(opts ...Option) WindowHandle[K, V] {
	h.spec = h.spec.with(opts)
	return h
}

// StoreName returns the store's name.
func (h WindowHandle[K, V]) StoreName() string { return h.spec.Name }

// Spec describes the store.
func (h WindowHandle[K, V]) Spec() Spec { return h.spec }

// Open opens the store in a task.
func (h WindowHandle[K, V]) Open(env Env) (Store, error) { return h.OpenWindow(env), nil }

// OpenWindow is Open with the store's type.
func (h WindowHandle[K, V]) OpenWindow(env Env) *WindowStore[K, V] {
	return &WindowStore[K, V]{
		segmented: newSegmented(h.spec, env, h.ks, h.vs, h.spec.Timestamped, windowSuffix),
	}
}

// In finds the store among those a processor is connected to.
func (h WindowHandle[K, V]) In(s Stores) *WindowStore[K, V] {
	return found(s, h.spec.Name, func(err error) *WindowStore[K, V] {
		return &WindowStore[K, V]{segmented: segmented[K, V]{rows: rows[V]{spec: h.spec, fault: err}, ks: h.ks}}
	})
}

// WindowEntry is one row found by a scan. Timestamp is -1 in stores that keep
// none.
type WindowEntry[K, V any] struct {
	Key       K
	Start     int64 // Unix milliseconds
	Value     V
	Timestamp int64
}

// WindowStore is a window store of a task, and belongs to its goroutine. All
// times are Unix milliseconds and not negative; bounds of times and keys are
// included.
type WindowStore[K, V any] struct{ segmented[K, V] }

// Get returns the value of k in the window that starts at start, and its
// timestamp. In a store with duplicates it finds nothing: use Fetch.
func (s *WindowStore[K, V]) Get(k K, start int64) (v V, ts int64, ok bool, err error) {
	row, err := s.at(k, start, 0)
	if err != nil || start < 0 {
		return v, 0, false, err
	}
	return s.get(row)
}

// GetTracked is Get for a caller that acts on the value it gets: see
// [TimestampedKV.GetTracked].
func (s *WindowStore[K, V]) GetTracked(k K, start int64) (v V, ts int64, ok bool, err error) {
	row, err := s.at(k, start, 0)
	if err != nil || start < 0 {
		return v, 0, false, err
	}
	return s.getTracked(row)
}

// Put sets the value of k in the window that starts at start; a store without
// timestamps ignores ts. A value that is null deletes, or is ignored by a store
// with duplicates. A window that has expired is refused, counted, and no error.
func (s *WindowStore[K, V]) Put(k K, start int64, v V, ts int64) error {
	if s.spec.Duplicates {
		return s.add(k, start, v, ts)
	}
	row, err := s.at(k, start, 0)
	if err != nil {
		return err
	}
	s.saw(start)
	return s.put(row, v, ts)
}

// Delete removes k in the window that starts at start. A store with duplicates
// keeps what it has: as in Kafka Streams only its changelog gets a tombstone, of
// a key that never had a value.
func (s *WindowStore[K, V]) Delete(k K, start int64) error {
	if s.spec.Duplicates {
		row, err := s.numbered(k, start)
		if err != nil {
			return err
		}
		if s.spec.InMemory { // there the time moves even so, and the delete can be late
			if _, err := s.admit(row, true); err != nil {
				return err
			}
		}
		if s.env.Log == nil {
			return nil
		}
		return s.log(row, nil, s.record().Timestamp)
	}
	row, err := s.at(k, start, 0)
	if err != nil {
		return err
	}
	s.saw(start)
	return s.delete(row)
}

// add puts one more value for k and start.
func (s *WindowStore[K, V]) add(k K, start int64, v V, ts int64) error {
	if s.isNull != nil && s.isNull(v) {
		return s.Delete(k, start)
	}
	row, err := s.numbered(k, start)
	if err != nil {
		return err
	}
	return s.put(row, v, ts)
}

// numbered makes a new row in a store with duplicates.
func (s *WindowStore[K, V]) numbered(k K, start int64) (row []byte, err error) {
	if err := s.writable(); err != nil {
		return nil, err
	}
	n := &s.p.pos.Sequence
	*n = (*n + 1) & math.MaxInt32
	return s.at(k, start, uint64(*n))
}

// OnFlush sets the function that hears of each window a flush of the store's
// cache writes; see [KV.OnFlush].
func (s *WindowStore[K, V]) OnFlush(wantOld bool, f func(k K, start int64, u Update[V]) error) {
	s.onFlush(wantOld, func(k K, start int64, _ uint64, u Update[V]) error { return f(k, start, u) })
}

// Fetch yields the windows of k that start from..to, in order of start; in a
// store with duplicates those of one start in the order they were put.
func (s *WindowStore[K, V]) Fetch(k K, from, to int64) iter.Seq2[WindowEntry[K, V], error] {
	return s.fetch(&k, from, to, false)
}

// FetchBackward is Fetch in reverse.
func (s *WindowStore[K, V]) FetchBackward(k K, from, to int64) iter.Seq2[WindowEntry[K, V], error] {
	return s.fetch(&k, from, to, true)
}

// FetchRange yields the windows of the keys lo..hi that start from..to, in the
// order of segment, key, start, or of start, key in a time-ordered store.
func (s *WindowStore[K, V]) FetchRange(lo, hi K, from, to int64) iter.Seq2[WindowEntry[K, V], error] {
	return s.fetchKeys(&lo, &hi, from, to, false)
}

// FetchRangeBackward is FetchRange in reverse.
func (s *WindowStore[K, V]) FetchRangeBackward(lo, hi K, from, to int64) iter.Seq2[WindowEntry[K, V], error] {
	return s.fetchKeys(&lo, &hi, from, to, true)
}

// FetchAll yields all windows that start from..to, in the order of FetchRange.
func (s *WindowStore[K, V]) FetchAll(from, to int64) iter.Seq2[WindowEntry[K, V], error] {
	return s.fetchKeys(nil, nil, from, to, false)
}

// FetchAllBackward is FetchAll in reverse.
func (s *WindowStore[K, V]) FetchAllBackward(from, to int64) iter.Seq2[WindowEntry[K, V], error] {
	return s.fetchKeys(nil, nil, from, to, true)
}

// All yields all windows, in the order of FetchRange; Backward in reverse.
func (s *WindowStore[K, V]) All() iter.Seq2[WindowEntry[K, V], error] {
	return s.FetchAll(0, largest)
}

// Backward is All in reverse.
func (s *WindowStore[K, V]) Backward() iter.Seq2[WindowEntry[K, V], error] {
	return s.FetchAllBackward(0, largest)
}

func (s *WindowStore[K, V]) fetch(k *K, from, to int64, reverse bool) iter.Seq2[WindowEntry[K, V], error] {
	return func(yield func(WindowEntry[K, V], error) bool) {
		key, _, err := s.keys(k, nil)
		if err == nil {
			err = s.scanKey(key, from, to, reverse, func(at fields, v V, ts int64) bool {
				return yield(WindowEntry[K, V]{*k, at.time, v, ts}, nil)
			})
		}
		if err != nil {
			yield(WindowEntry[K, V]{}, err)
		}
	}
}

func (s *WindowStore[K, V]) fetchKeys(lo, hi *K, from, to int64, reverse bool) iter.Seq2[WindowEntry[K, V], error] {
	return func(yield func(WindowEntry[K, V], error) bool) {
		l, h, err := s.keys(lo, hi)
		if err == nil {
			var failure error
			err = s.scanKeys(l, h, from, to, reverse, func(at fields, v V, ts int64) bool {
				e := WindowEntry[K, V]{Start: at.time, Value: v, Timestamp: ts}
				if failure = s.ks.Decode(at.key, &e.Key); failure != nil {
					failure = s.fail("decode key", failure)
					return false
				}
				return yield(e, nil)
			})
			if err == nil {
				err = failure
			}
		}
		if err != nil {
			yield(WindowEntry[K, V]{}, err)
		}
	}
}
