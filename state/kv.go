package state

import (
	"bytes"
	"iter"

	"github.com/thalweg/thalweg/processor"
	"github.com/thalweg/thalweg/serde"
)

// A KVHandle names a key-value store and fixes its types: it declares the store,
// opens it in a task, and finds it in a processor.
type KVHandle[K, V any] struct {
	spec Spec
	ks   serde.Serde[K]
	vs   serde.Serde[V]
}

// KeyValue declares a store of keys and values. Its changelog is called after
// it, so the name must stay when the program changes.
func KeyValue[K, V any](name string, ks serde.Serde[K], vs serde.Serde[V], opts ...Option) KVHandle[K, V] {
	return KVHandle[K, V]{newSpec[K, V](name, TypeKeyValue, opts), ks, vs}
}

// With returns the handle with more options.
func (h KVHandle[K, V]) With(opts ...Option) KVHandle[K, V] {
	h.spec = h.spec.with(opts)
	return h
}

// StoreName returns the store's name.
func (h KVHandle[K, V]) StoreName() string { return h.spec.Name }

// Spec describes the store.
func (h KVHandle[K, V]) Spec() Spec { return h.spec }

// Open opens the store in a task.
func (h KVHandle[K, V]) Open(env Env) (Store, error) { return h.OpenKV(env), nil }

// OpenKV is Open with the store's type.
func (h KVHandle[K, V]) OpenKV(env Env) *KV[K, V] {
	return &KV[K, V]{newKeyed(h.spec, env, h.ks, h.vs, false)}
}

// In finds the store among those a processor is connected to.
func (h KVHandle[K, V]) In(s Stores) *KV[K, V] {
	return found(s, h.spec.Name, func(err error) *KV[K, V] {
		return &KV[K, V]{keyed[K, V]{rows: rows[V]{spec: h.spec, fault: err}, ks: h.ks}}
	})
}

// KV is a key-value store of a task, and belongs to its goroutine. Keys are
// ordered by their encoded bytes, as in Kafka Streams.
type KV[K, V any] struct{ keyed[K, V] }

// Get returns the value of k.
func (s *KV[K, V]) Get(k K) (v V, ok bool, err error) {
	row, err := s.row(k)
	if err != nil {
		return v, false, err
	}
	v, _, ok, err = s.get(row)
	return v, ok, err
}

// Put sets the value of k. A value that is null deletes.
func (s *KV[K, V]) Put(k K, v V) error {
	row, err := s.row(k)
	if err != nil {
		return err
	}
	return s.put(row, v, -1)
}

// PutIfAbsent sets the value of k if it has none; otherwise it changes nothing
// and returns the one there is, and true.
func (s *KV[K, V]) PutIfAbsent(k K, v V) (old V, had bool, err error) {
	if old, had, err = s.Get(k); had || err != nil {
		return old, had, err
	}
	return old, false, s.Put(k, v)
}

// Remove deletes k and returns the value it had.
func (s *KV[K, V]) Remove(k K) (old V, had bool, err error) {
	if old, had, err = s.Get(k); err != nil {
		return old, had, err
	}
	return old, had, s.Delete(k)
}

// keyed is what key-value and timestamped stores share: rows that are encoded
// keys.
type keyed[K, V any] struct {
	rows[V]
	ks     serde.Serde[K]
	kb     []byte
	expiry *expiry // nil: rows do not expire
}

func newKeyed[K, V any](spec Spec, env Env, ks serde.Serde[K], vs serde.Serde[V], timed bool) keyed[K, V] {
	k := keyed[K, V]{rows: newRows(spec, env, vs, timed), ks: serde.ForTask(ks)}
	if spec.MaxEntries > 0 && !env.readOnly() {
		if k.recent, k.fault = newRecency(spec.MaxEntries, env.Partition); k.fault != nil {
			k.fault = k.fail("open", k.fault)
		}
	}
	if spec.ExpireAfter != 0 && !env.readOnly() && k.fault == nil {
		if k.expiry, k.fault = newExpiry(&k.rows); k.fault != nil {
			k.fault = k.fail("open", k.fault)
		}
	}
	return k
}

// Close gives up the cache, unflushed, and the store with it.
func (s *keyed[K, V]) Close() error {
	if s.expiry != nil {
		s.expiry.close()
	}
	return s.rows.Close()
}

// row encodes k into the store's scratch.
func (s *keyed[K, V]) row(k K) (row []byte, err error) {
	if s.fault != nil {
		return nil, s.fault
	}
	if s.kb, err = s.ks.Append(s.kb[:0], k); err != nil {
		return nil, s.fail("encode key", err)
	}
	return s.kb, nil
}

// Delete removes k.
func (s *keyed[K, V]) Delete(k K) error {
	row, err := s.row(k)
	if err != nil {
		return err
	}
	return s.delete(row)
}

// OnFlush sets the function that hears of each key a flush of the store's cache
// writes; wantOld says whether it needs the value the key had before. It is
// called under the context of the record that made the last update.
func (s *keyed[K, V]) OnFlush(wantOld bool, f func(k K, u Update[V]) error) {
	if s.cache == nil {
		return
	}
	var k, none K
	s.cache.wantOld = wantOld
	s.cache.listener = func(row []byte, u Update[V]) error {
		k = none // so that nothing is decoded into memory somebody has
		if err := s.ks.Decode(row, &k); err != nil {
			return s.fail("flush", err)
		}
		return f(k, u)
	}
}

// Caching reports whether writes go through a cache, so that whoever wants to
// hear of them must use OnFlush.
func (s *keyed[K, V]) Caching() bool { return s.cache != nil }

// Restore applies a record of the changelog.
func (s *keyed[K, V]) Restore(key, value []byte, timestamp int64, headers processor.Headers) error {
	if s.expiry != nil && value != nil && s.fault == nil {
		if err := s.expiry.load(key, timestamp); err != nil {
			return err
		}
	}
	return s.restore(key, value, timestamp, headers)
}

// All yields all entries in the order of their encoded keys. What is written in
// the loop is not seen by it.
func (s *keyed[K, V]) All() iter.Seq2[Entry[K, V], error] { return s.between(nil, nil, false) }

// Backward yields all entries from the last to the first.
func (s *keyed[K, V]) Backward() iter.Seq2[Entry[K, V], error] { return s.between(nil, nil, true) }

// Range yields the entries from lo to hi, both included.
func (s *keyed[K, V]) Range(lo, hi K) iter.Seq2[Entry[K, V], error] {
	return s.keyRange(&lo, &hi, false)
}

// RangeBackward yields the entries from hi down to lo, both included.
func (s *keyed[K, V]) RangeBackward(lo, hi K) iter.Seq2[Entry[K, V], error] {
	return s.keyRange(&lo, &hi, true)
}

// From yields the entries at and above lo, To those up to and including hi.
func (s *keyed[K, V]) From(lo K) iter.Seq2[Entry[K, V], error] { return s.keyRange(&lo, nil, false) }
func (s *keyed[K, V]) To(hi K) iter.Seq2[Entry[K, V], error]   { return s.keyRange(nil, &hi, false) }

// Prefix yields the entries whose encoded keys begin with the encoding of p.
func (s *keyed[K, V]) Prefix(p K) iter.Seq2[Entry[K, V], error] {
	b, err := s.ks.Append([]byte{}, p)
	if err != nil {
		return failed[Entry[K, V]](s.fail("encode key", err))
	}
	return s.PrefixBytes(b)
}

// PrefixBytes yields the entries whose encoded keys begin with p.
func (s *keyed[K, V]) PrefixBytes(p []byte) iter.Seq2[Entry[K, V], error] {
	return s.between(p, successor(bytes.Clone(p)), false)
}

// Len counts the entries by a scan.
func (s *keyed[K, V]) Len() (n int, err error) {
	err = s.scan(nil, nil, false, func([]byte, V, int64) bool { n++; return true })
	return n, err
}

func (s *keyed[K, V]) keyRange(lo, hi *K, reverse bool) iter.Seq2[Entry[K, V], error] {
	var from, to []byte
	var err error
	if lo != nil {
		from, err = s.ks.Append([]byte{}, *lo)
	}
	if hi != nil && err == nil {
		if to, err = s.ks.Append([]byte{}, *hi); err == nil {
			to = append(to, 0) // the least key above hi
		}
	}
	if err != nil {
		return failed[Entry[K, V]](s.fail("encode key", err))
	}
	return s.between(from, to, reverse)
}

func (s *keyed[K, V]) between(lo, hi []byte, reverse bool) iter.Seq2[Entry[K, V], error] {
	return func(yield func(Entry[K, V], error) bool) {
		if hi != nil && bytes.Compare(lo, hi) >= 0 {
			return
		}
		var failure error
		err := s.scan(lo, hi, reverse, func(row []byte, v V, ts int64) bool {
			e := Entry[K, V]{Value: v, Timestamp: ts}
			if failure = s.ks.Decode(row, &e.Key); failure != nil {
				failure = s.fail("decode key", failure)
				return false
			}
			return yield(e, nil)
		})
		if err == nil {
			err = failure
		}
		if err != nil {
			yield(Entry[K, V]{}, err)
		}
	}
}

// successor returns the least key above all that begin with p, in the memory of
// p; nil when there is none.
func successor(p []byte) []byte {
	for i := len(p) - 1; i >= 0; i-- {
		if p[i] != 0xff {
			p[i]++
			return p[:i+1]
		}
	}
	return nil
}

// failed is a scan that only reports err.
func failed[E any](err error) iter.Seq2[E, error] {
	return func(yield func(E, error) bool) {
		var zero E
		yield(zero, err)
	}
}
