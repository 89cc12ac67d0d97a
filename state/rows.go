package state

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/thalweg/thalweg/processor"
	"github.com/thalweg/thalweg/serde"
)

// rows is the typed core all stores share: rows with typed values, through the
// cache if there is one, and into the changelog. The typed stores above it turn
// their keys into rows and back.
//
// A value is stored as it is or, in timestamped stores, as int64 timestamp |
// value; headers are a part of the value, see [HeadersSerde]. The changelog always
// has the plain value, with timestamp and headers in the record. A value that
// stands for null is a delete.
type rows[V any] struct {
	spec       Spec
	env        Env
	p          *Partition
	vs         serde.Serde[V]
	isNull     func(V) bool
	timed      bool
	headed     bool                         // values begin with headers
	seg        *segments                    // how rows expire; nil: never
	logKey     func(dst, row []byte) []byte // nil: the row itself
	refuse     error                        // why there are no writes; nil: there are
	logHeaders bool                         // the changelog gets the headers of the record at hand
	recent     *recency                     // which rows to keep; nil: all
	cache      *cache[V]
	v          V      // what is being decoded
	fault      error  // why the store cannot be used
	buf        []byte // scratch for encoded values
	lbuf       []byte // scratch for changelog keys
}

func newRows[V any](spec Spec, env Env, vs serde.Serde[V], timed bool) rows[V] {
	vs = serde.ForTask(vs)
	r := rows[V]{spec: spec, env: env, p: env.Partition, vs: vs, isNull: serde.NullTest(vs), timed: timed, logHeaders: spec.LogHeaders}
	if _, r.headed = vs.(headed); r.headed {
		r.spec.LogTombstoneHeaders = true
		if spec.Type == TypeVersioned {
			r.fault = r.fail("open", errors.New("a versioned store cannot keep headers"))
		}
	}
	if env.readOnly() {
		r.refuse = r.fail("write", ErrReadOnly)
	}
	r.buf = make([]byte, 0, 64) // never nil: nil is a tombstone
	if spec.Cached && env.Cache != nil && !env.readOnly() {
		r.cache = newCache[V](env.Cache)
	}
	return r
}

// Name returns the store's name.
func (r *rows[V]) Name() string { return r.spec.Name }

// Close gives up the cache, unflushed, and the store with it.
func (r *rows[V]) Close() error {
	if r.cache != nil {
		r.cache.drop()
	}
	r.fault = fmt.Errorf("store %q: %w", r.spec.Name, ErrClosed)
	return nil
}

func (r *rows[V]) fail(op string, err error) error {
	if r.p == nil {
		return fmt.Errorf("state: store %q: %s: %w", r.spec.Name, op, err)
	}
	return r.p.fail(op, err)
}

// writable returns why the store cannot be written, if it cannot.
func (r *rows[V]) writable() error {
	if r.fault != nil {
		return r.fault
	}
	return r.refuse
}

func (r *rows[V]) record() Record {
	if r.env.Record == nil {
		return Record{Partition: -1, Offset: -1}
	}
	return r.env.Record()
}

// get reads a row. The value is the caller's own.
func (r *rows[V]) get(row []byte) (v V, ts int64, ok bool, err error) {
	if r.fault != nil {
		return v, 0, false, r.fault
	}
	if r.cache == nil {
		return r.read(row)
	}
	if e := r.cache.find(row); e != nil {
		r.cache.touch(e)
		if !e.present {
			return v, 0, false, nil
		}
		v, err = r.cached(e)
		return v, e.ts, err == nil, err
	}
	v, ts, ok, err = r.read(row)
	// Kafka Streams' caching window and session stores do not keep what they
	// read: a row kept here would be seen when it has long expired below.
	if ok && err == nil && r.seg == nil {
		err = r.remember(row, v, ts)
	}
	return v, ts, ok, err
}

// read reads a row below the cache.
func (r *rows[V]) read(row []byte) (v V, ts int64, ok bool, err error) {
	if r.seg != nil && r.seg.expired(row, r.p.pos.Observed) {
		return v, 0, false, nil
	}
	b, ok, err := r.p.Get(row)
	if !ok || err != nil {
		return v, 0, false, err
	}
	if r.recent != nil {
		r.recent.touch(row)
	}
	v, ts, err = r.decode(b)
	return v, ts, err == nil, err
}

func (r *rows[V]) decode(b []byte) (v V, ts int64, err error) {
	ts = -1
	if r.timed {
		if len(b) < 8 {
			return v, 0, r.fail("read", fmt.Errorf("%w: value of %d bytes without a timestamp", ErrCorrupt, len(b)))
		}
		ts, b = int64(binary.BigEndian.Uint64(b)), b[8:]
	}
	v, err = r.value(b)
	return v, ts, err
}

// value decodes into a field, because a local variable would be allocated for
// each call. The field is zero before, so that nothing is decoded into memory
// somebody has.
func (r *rows[V]) value(b []byte) (v V, err error) {
	r.v = v
	if err := r.vs.Decode(b, &r.v); err != nil {
		return v, r.fail("read", err)
	}
	return r.v, nil
}

// put writes a row; in stores without timestamps ts is ignored.
func (r *rows[V]) put(row []byte, v V, ts int64) error {
	if r.isNull != nil && r.isNull(v) {
		return r.delete(row)
	}
	if err := r.writable(); err != nil {
		return err
	}
	if r.cache == nil {
		return r.write(row, v, ts)
	}
	if err := r.encode(v); err != nil {
		return err
	}
	r.keep(r.update(row), v, ts)
	return r.evict()
}

// delete removes a row.
func (r *rows[V]) delete(row []byte) error {
	if err := r.writable(); err != nil {
		return err
	}
	if r.cache == nil {
		return r.remove(row, true)
	}
	r.clear(r.update(row))
	return r.evict()
}

// write encodes a value and writes it below the cache.
func (r *rows[V]) write(row []byte, v V, ts int64) (err error) {
	r.buf = r.buf[:0]
	if r.timed {
		r.buf = binary.BigEndian.AppendUint64(r.buf, uint64(ts))
	}
	if r.buf, err = r.vs.Append(r.buf, v); err != nil {
		return r.fail("write", err)
	}
	return r.writeRaw(row, r.buf)
}

// writeRaw writes an encoded value below the cache, and to the changelog.
func (r *rows[V]) writeRaw(row, value []byte) error {
	ok, err := r.admit(row, true)
	if err != nil {
		return err
	}
	if ok {
		if err := r.p.Put(row, value); err != nil {
			return err
		}
		if r.seg != nil {
			if err := r.seg.index(r.p, row, true); err != nil {
				return err
			}
		}
	}
	if err := r.logValue(row, value); err != nil || r.recent == nil {
		return err
	}
	r.recent.touch(row)
	for row, over := r.recent.excess(); over; row, over = r.recent.excess() {
		if err := r.remove(row, false); err != nil {
			return err
		}
	}
	return nil
}

func (r *rows[V]) logValue(row, value []byte) error {
	if r.env.Log == nil {
		return nil
	}
	var ts int64
	if r.timed {
		ts, value = int64(binary.BigEndian.Uint64(value)), value[8:]
	} else {
		ts = r.record().Timestamp
	}
	if r.headed {
		h, plain, err := cutHeaders(value)
		if err != nil {
			return r.fail("log", err)
		}
		return r.env.Log(r.logged(row), plain, ts, h)
	}
	return r.log(row, value, ts)
}

// remove deletes a row below the cache, and in the changelog.
// counted says whether a row that has expired is counted as dropped.
func (r *rows[V]) remove(row []byte, counted bool) error {
	if r.recent != nil {
		r.recent.forget(row)
	}
	ok, err := r.admit(row, counted)
	if err != nil {
		return err
	}
	if ok {
		if err := r.p.Delete(row); err != nil {
			return err
		}
		if r.seg != nil {
			if err := r.seg.index(r.p, row, false); err != nil {
				return err
			}
		}
	}
	if r.env.Log == nil {
		return nil
	}
	return r.log(row, nil, r.record().Timestamp)
}

func (r *rows[V]) admit(row []byte, counted bool) (bool, error) {
	if r.seg == nil {
		return true, nil
	}
	dropped := r.env.Dropped
	if !counted {
		if r.seg.strict {
			return true, nil // an in-memory store of Kafka's takes no note of the time either
		}
		dropped = nil
	}
	return r.seg.admit(r.p, dropped, row)
}

// log sends a record to the changelog. A value that is there but empty must not
// become a tombstone.
func (r *rows[V]) log(row, value []byte, ts int64) error {
	var h processor.Headers
	if r.logHeaders || r.spec.LogTombstoneHeaders && value == nil {
		h = r.record().Headers
	}
	return r.env.Log(r.logged(row), value, ts, h)
}

// logged is the key of a row in the changelog.
func (r *rows[V]) logged(row []byte) []byte {
	if r.logKey == nil {
		return notNil(row)
	}
	r.lbuf = r.logKey(r.lbuf[:0], row)
	return r.lbuf
}

// notNil keeps what is empty apart from a null.
func notNil(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

// restore writes a row from the changelog.
func (r *rows[V]) restore(row, value []byte, ts int64, h processor.Headers) error {
	if r.fault != nil {
		return r.fault
	}
	if r.recent != nil && value == nil {
		r.recent.forget(row)
	} else if r.recent != nil {
		r.recent.touch(row)
	}
	if (r.timed || r.headed) && value != nil {
		r.buf = r.buf[:0]
		if r.timed {
			r.buf = binary.BigEndian.AppendUint64(r.buf, uint64(ts))
		}
		if r.headed {
			r.buf = appendHeaders(r.buf, h)
		}
		r.buf = append(r.buf, value...)
		value = r.buf
	}
	return r.p.Load(row, value)
}

// scan calls f for the rows in [lo, hi) in order until f returns false. A nil hi
// means no upper end. The row belongs to the scan and is valid during the call.
func (r *rows[V]) scan(lo, hi []byte, reverse bool, f func(row []byte, v V, ts int64) bool) error {
	if r.fault != nil {
		return r.fault
	}
	if r.cache != nil {
		return r.scanCached(lo, hi, reverse, f)
	}
	it := r.p.Scan(lo, hi, reverse)
	defer it.Close()
	for it.Next() {
		if r.seg != nil && r.seg.expired(it.Key(), r.p.pos.Observed) {
			continue
		}
		v, ts, err := r.decode(it.Value())
		if err != nil {
			return err
		}
		if !f(it.Key(), v, ts) {
			return nil
		}
	}
	return it.Err()
}
