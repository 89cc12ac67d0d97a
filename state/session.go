package state

import (
	"bytes"
	"iter"
	"slices"
	"time"

	"github.com/thalweg/thalweg/serde"
)

// A SessionHandle names a session store and fixes its types.
type SessionHandle[K, V any] struct {
	spec Spec
	ks   serde.Serde[K]
	vs   serde.Serde[V]
}

// Session declares a store of values by key and session. A session is seen until
// the stream time of the store, which is the largest end put, is retention past
// its end.
func Session[K, V any](name string, ks serde.Serde[K], vs serde.Serde[V], retention time.Duration, opts ...Option) SessionHandle[K, V] {
	spec := newSpec[K, V](name, TypeSession, opts)
	spec.Retention = retention
	return SessionHandle[K, V]{spec, ks, vs}
}

// With returns the handle with more options.
func (h SessionHandle[K, V]) With(opts ...Option) SessionHandle[K, V] {
	h.spec = h.spec.with(opts)
	return h
}

// StoreName returns the store's name.
func (h SessionHandle[K, V]) StoreName() string { return h.spec.Name }

// Spec describes the store.
func (h SessionHandle[K, V]) Spec() Spec { return h.spec }

// Open opens the store in a task.
func (h SessionHandle[K, V]) Open(env Env) (Store, error) { return h.OpenSession(env), nil }

// OpenSession is Open with the store's type.
func (h SessionHandle[K, V]) OpenSession(env Env) *SessionStore[K, V] {
	return &SessionStore[K, V]{newSegmented(h.spec, env, h.ks, h.vs, false, sessionSuffix)}
}

// In finds the store among those a processor is connected to.
func (h SessionHandle[K, V]) In(s Stores) *SessionStore[K, V] {
	return found(s, h.spec.Name, func(err error) *SessionStore[K, V] {
		return &SessionStore[K, V]{segmented[K, V]{rows: rows[V]{spec: h.spec, fault: err}, ks: h.ks}}
	})
}

// SessionEntry is one session found by a scan.
type SessionEntry[K, V any] struct {
	Key        K
	Start, End int64 // Unix milliseconds, both included
	Value      V
}

// SessionStore is a session store of a task, and belongs to its goroutine. All
// times are Unix milliseconds and not negative; bounds are included.
//
// The sessions of a key come in order of end, and of start for equal ends
// (descending start with [InMemory]).
type SessionStore[K, V any] struct{ segmented[K, V] }

// Get returns the value of the session of k from start to end.
func (s *SessionStore[K, V]) Get(k K, start, end int64) (v V, ok bool, err error) {
	row, err := s.at(k, end, uint64(start))
	if err != nil || start < 0 || end < 0 {
		return v, false, err
	}
	v, _, ok, err = s.get(row)
	return v, ok, err
}

// GetTracked is Get for a caller that acts on the value it gets: see
// [TimestampedKV.GetTracked].
func (s *SessionStore[K, V]) GetTracked(k K, start, end int64) (v V, ok bool, err error) {
	row, err := s.at(k, end, uint64(start))
	if err != nil || start < 0 || end < 0 {
		return v, false, err
	}
	v, _, ok, err = s.getTracked(row)
	return v, ok, err
}

// Put sets the value of the session of k from start to end. A value that is null
// deletes. A session that has expired is refused, counted, and no error.
func (s *SessionStore[K, V]) Put(k K, start, end int64, v V) error {
	row, err := s.at(k, end, uint64(start))
	if err != nil {
		return err
	}
	s.saw(end)
	return s.put(row, v, -1)
}

// Delete removes the session of k from start to end. One that has expired is not
// there any more, which is not counted.
func (s *SessionStore[K, V]) Delete(k K, start, end int64) error {
	row, err := s.at(k, end, uint64(start))
	if err != nil {
		return err
	}
	if err := s.writable(); err != nil {
		return err
	}
	s.saw(end)
	if s.cache == nil {
		return s.remove(row, false)
	}
	return s.delete(row)
}

// OnFlush sets the function that hears of each session a flush of the store's
// cache writes; see [KV.OnFlush].
func (s *SessionStore[K, V]) OnFlush(wantOld bool, f func(k K, start, end int64, u Update[V]) error) {
	s.onFlush(wantOld, func(k K, end int64, start uint64, u Update[V]) error {
		return f(k, int64(start), end, u)
	})
}

// Fetch yields all sessions of k.
func (s *SessionStore[K, V]) Fetch(k K) iter.Seq2[SessionEntry[K, V], error] {
	return s.find(k, 0, largest, false)
}

// FetchBackward is Fetch in reverse.
func (s *SessionStore[K, V]) FetchBackward(k K) iter.Seq2[SessionEntry[K, V], error] {
	return s.find(k, 0, largest, true)
}

// Find yields the sessions of k that end at earliestEnd or later and start at
// latestStart or earlier.
func (s *SessionStore[K, V]) Find(k K, earliestEnd, latestStart int64) iter.Seq2[SessionEntry[K, V], error] {
	return s.find(k, earliestEnd, latestStart, false)
}

// FindBackward is Find in reverse.
func (s *SessionStore[K, V]) FindBackward(k K, earliestEnd, latestStart int64) iter.Seq2[SessionEntry[K, V], error] {
	return s.find(k, earliestEnd, latestStart, true)
}

// FindRange is Find over the keys lo..hi, in the order of segment, key, end, or
// of end, start, key in a time-ordered store.
func (s *SessionStore[K, V]) FindRange(lo, hi K, earliestEnd, latestStart int64) iter.Seq2[SessionEntry[K, V], error] {
	return s.findKeys(&lo, &hi, earliestEnd, largest, latestStart, false)
}

// FindRangeBackward is FindRange in reverse.
func (s *SessionStore[K, V]) FindRangeBackward(lo, hi K, earliestEnd, latestStart int64) iter.Seq2[SessionEntry[K, V], error] {
	return s.findKeys(&lo, &hi, earliestEnd, largest, latestStart, true)
}

// FindEnded yields the sessions of all keys that end from..to, in the order of
// FindRange. In a time-ordered store these are, as in Kafka Streams, also
// sessions that have expired as long as their segment is there; with [InMemory]
// they are not, and the order is that of end, key, descending start.
func (s *SessionStore[K, V]) FindEnded(from, to int64) iter.Seq2[SessionEntry[K, V], error] {
	if s.seg.ordered && s.spec.InMemory {
		return s.found(largest, func(f visit[V]) error { return s.scanEnds(from, to, f) })
	}
	if !s.seg.ordered || s.cache != nil {
		return s.findKeys(nil, nil, from, to, largest, false)
	}
	return s.found(largest, func(f visit[V]) error { return s.scanKept(from, to, f) })
}

// scanEnds visits the sessions that end from..to, those of one end by key.
func (s *SessionStore[K, V]) scanEnds(from, to int64, f visit[V]) error {
	type session struct {
		at fields
		v  V
		ts int64
	}
	var together []session // they end at one time
	visitAll := func() bool {
		slices.SortStableFunc(together, func(a, b session) int { return bytes.Compare(a.at.key, b.at.key) })
		for _, x := range together {
			if !f(x.at, x.v, x.ts) {
				return false
			}
		}
		together = together[:0]
		return true
	}
	more := true
	err := s.scanKeys(nil, nil, from, to, false, func(at fields, v V, ts int64) bool {
		if len(together) > 0 && together[0].at.time != at.time {
			more = visitAll()
		}
		at.key = bytes.Clone(at.key)
		together = append(together, session{at, v, ts})
		return more
	})
	if err == nil && more {
		visitAll()
	}
	return err
}

// All yields all sessions, in the order of FindRange.
func (s *SessionStore[K, V]) All() iter.Seq2[SessionEntry[K, V], error] {
	return s.findKeys(nil, nil, 0, largest, largest, false)
}

func (s *SessionStore[K, V]) find(k K, earliestEnd, latestStart int64, reverse bool) iter.Seq2[SessionEntry[K, V], error] {
	return func(yield func(SessionEntry[K, V], error) bool) {
		key, _, err := s.keys(&k, nil)
		if err == nil {
			err = s.scanKey(key, earliestEnd, largest, reverse, func(at fields, v V, _ int64) bool {
				start := int64(at.suffix)
				return start > latestStart || yield(SessionEntry[K, V]{k, start, at.time, v}, nil)
			})
		}
		if err != nil {
			yield(SessionEntry[K, V]{}, err)
		}
	}
}

func (s *SessionStore[K, V]) findKeys(lo, hi *K, fromEnd, toEnd, latestStart int64, reverse bool) iter.Seq2[SessionEntry[K, V], error] {
	return s.found(latestStart, func(f visit[V]) error {
		l, h, err := s.keys(lo, hi)
		if err != nil {
			return err
		}
		return s.scanKeys(l, h, fromEnd, toEnd, reverse, f)
	})
}

// found yields the sessions of a scan that start at latestStart or earlier.
func (s *SessionStore[K, V]) found(latestStart int64, scan func(visit[V]) error) iter.Seq2[SessionEntry[K, V], error] {
	return func(yield func(SessionEntry[K, V], error) bool) {
		var failure error
		err := scan(func(at fields, v V, _ int64) bool {
			e := SessionEntry[K, V]{Start: int64(at.suffix), End: at.time, Value: v}
			if e.Start > latestStart {
				return true
			}
			if failure = s.ks.Decode(at.key, &e.Key); failure != nil {
				failure = s.fail("decode key", failure)
				return false
			}
			return yield(e, nil)
		})
		if err == nil {
			err = failure
		}
		if err != nil {
			yield(SessionEntry[K, V]{}, err)
		}
	}
}
