package state

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"
)

// expiry is the time index of a timestamped store whose rows expire. It lies in
// a store-partition of its own, beside that of the rows, in their transaction:
//
//	int64 bucket | row → (nothing)
//
// A bucket is a timestamp rounded down to a 64th of the lifetime, so that a row
// that is written all the time has at most 65 entries.
//
// Invariants:
//   - each row has the entry of its timestamp;
//   - entries that are not of a row's timestamp, or of no row, mean nothing and
//     are removed when their bucket is due. They stay behind when rows are
//     overwritten, deleted or wiped;
//   - no entry that may be due is in a bucket before least.
//
// There is no changelog of it: it is restored with the rows, and reaches the
// engine with them.
type expiry struct {
	p     *Partition
	of    *Partition // the rows
	life  int64      // ms
	width int64      // of a bucket, ms
	least int64
	key   []byte
}

var errExpiry = errors.New("rows expire after at least 1ms, and in a timestamped store")

// newExpiry opens the index, and makes it when the rows are older than it.
func newExpiry[V any](r *rows[V]) (*expiry, error) {
	life := r.spec.ExpireAfter.Milliseconds()
	if life < 1 || !r.timed {
		return nil, errExpiry
	}
	p, err := r.p.txn.Open(r.spec.Name+"/expiry", r.p.number)
	if err != nil {
		return nil, err
	}
	r.p.beside = append(r.p.beside, p)
	x := &expiry{p: p, of: r.p, life: life, width: max(life/64, 1)}
	it := p.Scan(nil, nil, false)
	known := it.Next()
	if err := it.Close(); err != nil || known {
		return x, err
	}
	it = r.p.Scan(nil, nil, false)
	for it.Next() {
		if v := it.Value(); len(v) >= 8 {
			if err := x.touch(it.Key(), int64(binary.BigEndian.Uint64(v))); err != nil {
				return x, errors.Join(err, it.Close())
			}
		}
	}
	return x, it.Close()
}

func (x *expiry) bucket(ts int64) int64 { return max(ts, 0) / x.width * x.width }

// entry makes the index entry of a row.
func (x *expiry) entry(row []byte, ts int64) []byte {
	x.key = binary.BigEndian.AppendUint64(x.key[:0], uint64(x.bucket(ts)))
	x.key = append(x.key, row...)
	return x.key
}

// touch notes a row's timestamp.
func (x *expiry) touch(row []byte, ts int64) error {
	x.least = min(x.least, x.bucket(ts))
	return x.p.Put(x.entry(row, ts), nil)
}

// load is touch while the store is restored.
func (x *expiry) load(row []byte, ts int64) error { return x.p.Load(x.entry(row, ts), []byte{}) }

func (x *expiry) close() {
	x.of.beside = slices.DeleteFunc(x.of.beside, func(p *Partition) bool { return p == x.p })
	x.p.txn.Release(x.p)
}

// ExpireAfter keeps an index of a timestamped store by time, for Expire.
func ExpireAfter(d time.Duration) Option { return func(s *Spec) { s.ExpireAfter = d } }

// Expire deletes the rows whose timestamp is at or before now less the time of
// the store's ExpireAfter option, oldest first to within a 64th of it, and
// calls f with each. It looks at nothing else. Both are Unix milliseconds.
func (s *TimestampedKV[K, V]) Expire(now int64, f func(Entry[K, V]) error) error {
	if s.fault != nil {
		return s.fault
	}
	x := s.expiry
	if x == nil {
		return s.fail("expire", errors.New("the store was declared without ExpireAfter"))
	}
	limit := now - x.life
	if limit < x.least || limit < 0 {
		return nil
	}
	x.least = math.MaxInt64
	it := x.p.Scan(nil, nil, false)
	defer it.Close()
	for it.Next() {
		if len(it.Key()) < 8 {
			return s.fail("expire", fmt.Errorf("%w: index entry of %d bytes", ErrCorrupt, len(it.Key())))
		}
		bucket := int64(binary.BigEndian.Uint64(it.Key()))
		if bucket > limit {
			x.least = min(x.least, bucket)
			return nil
		}
		row := bytes.Clone(it.Key()[8:])
		v, ts, ok, err := s.get(row)
		if err != nil {
			return err
		}
		due := ok && x.bucket(ts) == bucket
		if due && ts > limit {
			x.least = min(x.least, bucket)
			continue
		}
		if err := x.p.Delete(it.Key()); err != nil {
			return err
		}
		if !due {
			continue
		}
		if err := s.delete(row); err != nil {
			return err
		}
		e := Entry[K, V]{Value: v, Timestamp: ts}
		if err := s.ks.Decode(row, &e.Key); err != nil {
			return s.fail("decode key", err)
		}
		if err := f(e); err != nil {
			return err
		}
	}
	return it.Err()
}
