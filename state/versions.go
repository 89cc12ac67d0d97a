package state

import "iter"

// Version is one value of a key and the time during which it was valid.
type Version[V any] struct {
	Value V
	From  int64 // Unix milliseconds, included
	To    int64 // not included; StillValid for the latest version
}

// Versions yields the values of k that were valid at any time from..to, bounds
// included, the oldest first. Times before the history are not looked at, but the
// latest version is found however old it is. The store may be written meanwhile:
// each step looks at what is there then.
func (s *VersionedStore[K, V]) Versions(k K, from, to int64) iter.Seq2[Version[V], error] {
	return func(yield func(Version[V], error) bool) {
		if err := s.encodeKey(k); err != nil {
			yield(Version[V]{}, err)
			return
		}
		from := max(from, s.horizon(), 0)
		at, ok, err := s.atOrBefore(from)
		ok = ok && at.validTo > from
		if err == nil && !ok {
			at, ok, err = s.after(from)
		}
		for ; err == nil && ok && at.ts <= to; at, ok, err = s.next(k, at.ts) {
			if !at.present {
				continue
			}
			v, err := s.value(at.value)
			if !yield(Version[V]{v, at.ts, at.validTo}, err) || err != nil {
				return
			}
		}
		if err == nil {
			if err = s.encodeKey(k); err == nil {
				at, ok, err = s.latest()
			}
		}
		if err == nil && ok && at.ts <= to {
			var v V
			v, err = s.value(at.value)
			yield(Version[V]{v, at.ts, StillValid}, err)
			return
		}
		if err != nil {
			yield(Version[V]{}, err)
		}
	}
}

// next finds the version of k in the history that follows the one at ts.
func (s *VersionedStore[K, V]) next(k K, ts int64) (version, bool, error) {
	if err := s.encodeKey(k); err != nil {
		return version{}, false, err
	}
	return s.after(ts)
}
