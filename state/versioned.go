package state

import (
	"encoding/binary"
	"iter"
	"math"
	"time"

	"github.com/thalweg/thalweg/processor"
	"github.com/thalweg/thalweg/serde"
)

// What [VersionedStore.Put] returns instead of the end of the version's validity.
const (
	// StillValid says that the version is the latest of its key.
	StillValid int64 = -1
	// NotPut says that the version was refused as older than the history.
	NotPut int64 = math.MinInt64
)

// A VersionedHandle names a versioned store and fixes its types.
type VersionedHandle[K, V any] struct {
	spec Spec
	ks   serde.Serde[K]
	vs   serde.Serde[V]
}

// Versioned declares a key-value store that keeps the history of its values: how
// each key read as of any time within history of the store's stream time, which
// is the largest timestamp put. It is never cached. Its changelog has each
// version as a record with the version's timestamp, and now and then again: see
// [RewriteAfter].
func Versioned[K, V any](name string, ks serde.Serde[K], vs serde.Serde[V], history time.Duration, opts ...Option) VersionedHandle[K, V] {
	h := VersionedHandle[K, V]{newSpec[K, V](name, TypeVersioned, opts), ks, vs}
	h.spec.Retention, h.spec.Cached = history, false
	return h
}

// With returns the handle with more options.
func (h VersionedHandle[K, V]) With(opts ...Option) VersionedHandle[K, V] {
	h.spec = h.spec.with(opts)
	h.spec.Cached = false
	return h
}

// StoreName returns the store's name.
func (h VersionedHandle[K, V]) StoreName() string { return h.spec.Name }

// Spec describes the store.
func (h VersionedHandle[K, V]) Spec() Spec { return h.spec }

// Open opens the store in a task.
func (h VersionedHandle[K, V]) Open(env Env) (Store, error) {
	s := h.OpenVersioned(env)
	return s, s.fault
}

// OpenVersioned is Open with the store's type.
func (h VersionedHandle[K, V]) OpenVersioned(env Env) *VersionedStore[K, V] {
	retention := max(h.spec.Retention.Milliseconds(), 0)
	return &VersionedStore[K, V]{
		rows: newRows(h.spec, env, h.vs, false), ks: serde.ForTask(h.ks),
		retention: retention, every: max(retention/4, 1), swept: 0,
		rewriting: newRewriting(h.spec),
	}
}

// In finds the store among those a processor is connected to.
func (h VersionedHandle[K, V]) In(s Stores) *VersionedStore[K, V] {
	return found(s, h.spec.Name, func(err error) *VersionedStore[K, V] {
		return &VersionedStore[K, V]{rows: rows[V]{spec: h.spec, fault: err}, ks: h.ks}
	})
}

// VersionedStore is a versioned store of a task, and belongs to its goroutine.
// All times are Unix milliseconds and not negative.
//
// It keeps three kinds of rows:
//
//	0 | key                                       → int64 ts | value
//	1 | uint32 key length | key | int64 ts        → int64 validTo | flag | value
//	2 | int64 until | the history row after its 1 → (nothing)
//
// The first is the latest version, unless that is a tombstone. The second are
// the versions before it, and a tombstone that is the latest. The third tells
// when a row of the second kind can go: when it is not valid any more at any
// time that can still be asked for.
//
// Invariant: the versions of a key, in order of ts, are valid one until the
// next. A tombstone that was the latest when it was put has its own time as its
// validTo, also when versions follow; one that was put before another version
// has that one's.
type VersionedStore[K, V any] struct {
	rows[V]
	ks        serde.Serde[K]
	retention int64
	every     int64 // how far time moves between two sweeps
	swept     int64 // third rows up to this time are gone
	rewriting rewriting
	key       []byte
	row       []byte
	row2      []byte
}

const noEnd = math.MaxInt64

// version is one version of a key, as read.
type version struct {
	ts, validTo int64
	present     bool
	value       []byte // valid until the store's next access
}

const (
	latestRows  = 0
	historyRows = 1
	expiryRows  = 2
)

func (s *VersionedStore[K, V]) encodeKey(k K) (err error) {
	if s.fault != nil {
		return s.fault
	}
	if s.key, err = s.ks.Append(s.key[:0], k); err != nil {
		return s.fail("encode key", err)
	}
	return nil
}

func (s *VersionedStore[K, V]) latestRow() []byte {
	s.row = append(append(s.row[:0], latestRows), s.key...)
	return s.row
}

// historyRow appends the row of a version of the current key.
func (s *VersionedStore[K, V]) historyRow(dst []byte, ts int64) []byte {
	dst = append(dst, historyRows)
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(s.key)))
	return binary.BigEndian.AppendUint64(append(dst, s.key...), uint64(ts))
}

// horizon is the earliest time that can be asked for.
func (s *VersionedStore[K, V]) horizon() int64 { return s.p.pos.Observed - s.retention }

// Get returns the latest value of k and its timestamp.
func (s *VersionedStore[K, V]) Get(k K) (v V, ts int64, ok bool, err error) {
	return s.GetAsOf(k, noEnd)
}

// GetAsOf returns the value of k that was valid at a time, and its timestamp.
// The latest version is always found if it is not later than that; older ones
// only for times within the history.
func (s *VersionedStore[K, V]) GetAsOf(k K, asOf int64) (v V, ts int64, ok bool, err error) {
	if err := s.encodeKey(k); err != nil {
		return v, 0, false, err
	}
	at, ok, err := s.asOf(asOf)
	if !ok || err != nil {
		return v, 0, false, err
	}
	v, err = s.value(at.value)
	return v, at.ts, err == nil, err
}

// asOf finds the version of the current key that was valid at a time.
func (s *VersionedStore[K, V]) asOf(t int64) (version, bool, error) {
	at, ok, err := s.latest()
	if err != nil || ok && at.ts <= t {
		return at, ok, err
	}
	if t < s.horizon() || t == noEnd {
		return version{}, false, nil
	}
	at, ok, err = s.atOrBefore(t)
	return at, ok && at.present && at.validTo > t, err
}

// latest reads the first kind of row.
func (s *VersionedStore[K, V]) latest() (version, bool, error) {
	b, ok, err := s.p.Get(s.latestRow())
	if err != nil || !ok {
		return version{}, false, err
	}
	if len(b) < 8 {
		return version{}, false, s.fail("read", ErrCorrupt)
	}
	return version{int64(binary.BigEndian.Uint64(b)), noEnd, true, b[8:]}, true, nil
}

// atOrBefore finds the newest version in the history that is not later than t.
func (s *VersionedStore[K, V]) atOrBefore(t int64) (version, bool, error) {
	s.row = s.historyRow(s.row[:0], 0)
	s.row2 = append(s.historyRow(s.row2[:0], t), 0)
	return s.first(s.row, s.row2, true)
}

// after finds the oldest version in the history that is later than t.
func (s *VersionedStore[K, V]) after(t int64) (version, bool, error) {
	s.row = append(s.historyRow(s.row[:0], t), 0)
	s.row2 = append(s.historyRow(s.row2[:0], noEnd), 0)
	return s.first(s.row, s.row2, false)
}

func (s *VersionedStore[K, V]) first(lo, hi []byte, reverse bool) (at version, ok bool, err error) {
	it := s.p.Scan(lo, hi, reverse)
	defer it.Close()
	if !it.Next() {
		return at, false, it.Err()
	}
	k, b := it.Key(), it.Value()
	if len(b) < 9 {
		return at, false, s.fail("read", ErrCorrupt)
	}
	at = version{
		ts:      int64(binary.BigEndian.Uint64(k[len(k)-8:])),
		validTo: int64(binary.BigEndian.Uint64(b)),
		present: b[8] == 1,
	}
	s.buf = append(s.buf[:0], b[9:]...)
	at.value = s.buf
	return at, true, nil
}

// Put adds a version of k that is valid from ts on; a value that is null says
// that there is none from then on. It returns until when the version is valid:
// the timestamp of the next one if there is one already, or [StillValid], or
// [NotPut] if ts is behind the history, which is counted.
func (s *VersionedStore[K, V]) Put(k K, v V, ts int64) (validTo int64, err error) {
	if s.isNull != nil && s.isNull(v) {
		return s.tombstone(k, ts)
	}
	if err := s.encodeKey(k); err != nil {
		return 0, err
	}
	b, err := s.vs.Append(make([]byte, 0, 32), v)
	if err != nil {
		return 0, s.fail("write", err)
	}
	return s.insertAndLog(version{ts: ts, present: true, value: b})
}

// Delete ends the validity of k's value at ts, and returns the version that was
// valid then.
func (s *VersionedStore[K, V]) Delete(k K, ts int64) (v V, at int64, ok bool, err error) {
	if s.fault == nil && ts < s.horizon() {
		_, err = s.tombstone(k, ts)
		return v, 0, false, err
	}
	if v, at, ok, err = s.GetAsOf(k, ts); err != nil {
		return v, at, ok, err
	}
	_, err = s.tombstone(k, ts)
	return v, at, ok, err
}

// End is Put of a null, for types that have none: there is no value of k from ts
// on.
func (s *VersionedStore[K, V]) End(k K, ts int64) (validTo int64, err error) {
	return s.tombstone(k, ts)
}

func (s *VersionedStore[K, V]) tombstone(k K, ts int64) (validTo int64, err error) {
	if err := s.encodeKey(k); err != nil {
		return 0, err
	}
	return s.insertAndLog(version{ts: ts})
}

func (s *VersionedStore[K, V]) insertAndLog(at version) (validTo int64, err error) {
	if err := s.writable(); err != nil {
		return 0, err
	}
	if s.env.Log != nil {
		if err := s.rewrite(); err != nil {
			return 0, err
		}
	}
	if validTo, err = s.insert(at); err != nil {
		return 0, err
	}
	if validTo == NotPut && s.env.Dropped != nil {
		s.env.Dropped(DroppedExpired)
	}
	if s.env.Log != nil {
		var value []byte
		if at.present {
			value = notNil(at.value)
		}
		if err := s.env.Log(notNil(s.key), value, at.ts, nil); err != nil {
			return 0, err
		}
	}
	return validTo, nil
}

// Restore applies a record of the changelog.
func (s *VersionedStore[K, V]) Restore(key, value []byte, timestamp int64, headers processor.Headers) error {
	if s.fault != nil {
		return s.fault
	}
	s.p.pos.need(0)
	s.key = append(s.key[:0], key...)
	at := version{ts: timestamp, present: value != nil, value: value}
	if h, ok := headers.Get(rewriteHeader); ok {
		return s.restoreRewritten(h, at)
	}
	_, err := s.insert(at)
	return err
}

// insert adds a version of the current key.
func (s *VersionedStore[K, V]) insert(at version) (validTo int64, err error) {
	if at.ts < s.horizon() {
		return NotPut, nil
	}
	s.p.pos.Observed = max(s.p.pos.Observed, at.ts)
	if err := s.sweep(); err != nil {
		return 0, err
	}
	// The version that has been the latest: of the first kind, or a tombstone.
	last, isLatest, err := s.latest()
	if err != nil {
		return 0, err
	}
	ok := isLatest
	if !isLatest {
		if last, ok, err = s.atOrBefore(noEnd); err != nil {
			return 0, err
		}
		// A history that ends with a value has lost its end to a sweep.
		ok = ok && !last.present
	}
	if ok && at.ts < last.ts {
		return s.insertBefore(at, last.ts)
	}
	if ok && at.ts > last.ts && isLatest {
		last.validTo = at.ts
		if err := s.putHistory(last); err != nil {
			return 0, err
		}
	}
	if ok && at.ts == last.ts && isLatest && !at.present {
		return StillValid, s.eraseLatest(at)
	}
	if ok && !isLatest && at.ts == last.ts {
		if err := s.deleteHistory(last); err != nil {
			return 0, err
		}
	}
	return StillValid, s.putLatest(at)
}

// eraseLatest replaces the latest version by a tombstone of the same time. As in
// Kafka Streams the tombstone is kept only where it ends another version. Where
// there is none, the key is as it was before the erased version came, and an
// earlier put can be the latest.
func (s *VersionedStore[K, V]) eraseLatest(at version) error {
	prev, ok, err := s.atOrBefore(at.ts)
	if err != nil {
		return err
	}
	if ok && prev.validTo == at.ts {
		return s.putLatest(at)
	}
	return s.p.Delete(s.latestRow())
}

// putLatest writes a version as the latest one.
func (s *VersionedStore[K, V]) putLatest(at version) error {
	row := s.latestRow()
	if !at.present {
		if err := s.p.Delete(row); err != nil {
			return err
		}
		at.validTo = at.ts
		return s.putHistory(at)
	}
	b := binary.BigEndian.AppendUint64(make([]byte, 0, 8+len(at.value)), uint64(at.ts))
	return s.p.Put(row, append(b, at.value...))
}

// insertBefore writes a version that comes before the latest one, whose time is
// last.
func (s *VersionedStore[K, V]) insertBefore(at version, last int64) (validTo int64, err error) {
	next, ok, err := s.after(at.ts)
	if err != nil {
		return 0, err
	}
	if at.validTo = last; ok {
		at.validTo = min(last, next.ts)
	}
	prev, ok, err := s.atOrBefore(at.ts)
	if err != nil {
		return 0, err
	}
	if ok && (prev.ts == at.ts || prev.validTo > at.ts) {
		if err := s.deleteHistory(prev); err != nil {
			return 0, err
		}
		if prev.ts < at.ts {
			prev.validTo = at.ts
			if err := s.putHistory(prev); err != nil {
				return 0, err
			}
		}
	}
	return at.validTo, s.putHistory(at)
}

func (s *VersionedStore[K, V]) putHistory(at version) error {
	s.row = s.historyRow(s.row[:0], at.ts)
	b := binary.BigEndian.AppendUint64(make([]byte, 0, 9+len(at.value)), uint64(at.validTo))
	if at.present {
		b = append(append(b, 1), at.value...)
	} else {
		b = append(b, 0)
	}
	if err := s.p.Put(s.row, b); err != nil {
		return err
	}
	return s.p.Put(s.expiryRow(at), nil)
}

func (s *VersionedStore[K, V]) deleteHistory(at version) error {
	s.row = s.historyRow(s.row[:0], at.ts)
	if err := s.p.Delete(s.row); err != nil {
		return err
	}
	return s.p.Delete(s.expiryRow(at))
}

// expiryRow is the third kind of row of a version whose history row is in s.row.
func (s *VersionedStore[K, V]) expiryRow(at version) []byte {
	s.row2 = binary.BigEndian.AppendUint64(append(s.row2[:0], expiryRows), uint64(at.validTo))
	s.row2 = append(s.row2, s.row[1:]...)
	return s.row2
}

// sweep deletes what has expired, each time the stream time has moved on by a
// part of the history. It starts where the last sweep ended, so that it does not
// walk over what that one deleted.
func (s *VersionedStore[K, V]) sweep() error {
	horizon := s.horizon()
	if horizon < s.swept+s.every {
		return nil
	}
	lo := binary.BigEndian.AppendUint64([]byte{expiryRows}, uint64(s.swept))
	hi := binary.BigEndian.AppendUint64([]byte{expiryRows}, uint64(horizon))
	it := s.p.Scan(lo, hi, false)
	var row []byte
	var err error
	for err == nil && it.Next() {
		row = append(append(row[:0], historyRows), it.Key()[9:]...)
		err = s.p.Delete(row)
	}
	if cerr := it.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return s.fail("expire", err)
	}
	s.swept = horizon
	return s.p.Expire(lo, hi)
}

// All yields the latest versions of all keys that have one, in the order of their
// encoded keys.
func (s *VersionedStore[K, V]) All() iter.Seq2[Entry[K, V], error] {
	return func(yield func(Entry[K, V], error) bool) {
		if s.fault != nil {
			yield(Entry[K, V]{}, s.fault)
			return
		}
		it := s.p.Scan([]byte{latestRows}, []byte{latestRows + 1}, false)
		defer it.Close()
		for it.Next() {
			var e Entry[K, V]
			err := s.ks.Decode(it.Key()[1:], &e.Key)
			if b := it.Value(); err == nil && len(b) < 8 {
				err = ErrCorrupt
			} else if err == nil {
				e.Timestamp = int64(binary.BigEndian.Uint64(b))
				e.Value, err = s.value(b[8:])
			}
			if err != nil {
				yield(Entry[K, V]{}, s.fail("scan", err))
				return
			}
			if !yield(e, nil) {
				return
			}
		}
		if err := it.Err(); err != nil {
			yield(Entry[K, V]{}, err)
		}
	}
}
