package state

import (
	"bytes"
	"slices"
	"strings"
	"unsafe"

	"github.com/tidwall/btree"

	"github.com/thalweg/thalweg/processor"
)

// Cache is the memory the caches of one worker's stores share. It belongs to the
// worker's goroutine.
type Cache struct {
	limit, used int64
	dirty       int64 // what entries take that are to be flushed
}

// NewCache returns a budget of limit bytes. What entries take is estimated.
func NewCache(limit int64) *Cache { return &Cache{limit: limit} }

// Used returns the bytes in use.
func (c *Cache) Used() int64 { return c.used }

// Dirty returns the bytes of what is to be flushed.
func (c *Cache) Dirty() int64 { return c.dirty }

// cache is the write-back cache of one store.
//
// Its semantics are Kafka Streams': of the updates between two flushes only the
// last of each key goes on; a flush takes the dirty entries in the order of
// their last updates, each with the record context of that update; flushed
// entries stay for reading; when the shared budget is exceeded, the store that
// puts evicts its own least recently used entries, and the eviction of a dirty
// one flushes all, that one first.
//
// Unlike Kafka's it holds values, not bytes, of types that cannot be changed
// behind its back, so that updates of a hot key are encoded once a flush.
type cache[V any] struct {
	budget *Cache
	how    holding[V]
	rows   map[string]*cacheEntry[V]
	last   *cacheEntry[V] // found last: what is read is mostly written next
	// byRow orders the entries for scans. It is built by the first scan.
	byRow *btree.BTreeG[*cacheEntry[V]]
	lru   list[V] // least recently used first
	dirty list[V] // least recently updated first

	listener func(row []byte, u Update[V]) error
	wantOld  bool
	row      []byte // scratch of scans
	flushed  []byte // the row being flushed
	flushing bool
}

// cacheEntry is what the cache knows of one row: a value, held as a V or
// encoded, or that there is none.
type cacheEntry[V any] struct {
	row       string
	v         V
	raw       []byte // encoded without timestamp, when V cannot be held
	ts        int64
	present   bool
	isDirty   bool
	readAhead bool   // by getTracked, while dirty
	rec       Record // context of the last update
	size      int64
	in        [cacheLists]links[V]
}

func newCache[V any](budget *Cache) *cache[V] {
	c := &cache[V]{budget: budget, how: holdingOf[V](), rows: map[string]*cacheEntry[V]{}}
	c.lru.init(inLRU)
	c.dirty.init(inDirty)
	return c
}

func (c *cache[V]) touch(e *cacheEntry[V]) { c.lru.toBack(e) }

// find returns the entry of a row, nil when there is none.
func (c *cache[V]) find(row []byte) *cacheEntry[V] {
	if c.last != nil && c.last.row == string(row) {
		return c.last
	}
	e := c.rows[string(row)]
	if e != nil {
		c.last = e
	}
	return e
}

// entry finds or makes the entry of a row, as the most recently used one.
func (c *cache[V]) entry(row []byte) *cacheEntry[V] {
	e := c.find(row)
	if e == nil {
		e = &cacheEntry[V]{row: string(row)}
		c.rows[e.row] = e
		c.last = e
		if c.byRow != nil {
			c.byRow.Set(e)
		}
	}
	c.lru.toBack(e)
	return e
}

func (c *cache[V]) resize(e *cacheEntry[V]) {
	// Row and entry, the map's and the lists' share, then what the value holds.
	size := int64(len(e.row)) + int64(unsafe.Sizeof(*e)) + 48 + int64(len(e.raw)+len(e.rec.Topic))
	for _, h := range e.rec.Headers {
		size += int64(len(h.Key) + len(h.Value) + 40)
	}
	if c.how.typed && c.how.size != nil {
		size += c.how.size(&e.v)
	}
	c.grow(e, size-e.size)
}

func (c *cache[V]) grow(e *cacheEntry[V], by int64) {
	e.size += by
	c.budget.used += by
	if e.isDirty {
		c.budget.dirty += by
	}
}

// soil marks an entry as to be flushed, after all others.
func (c *cache[V]) soil(e *cacheEntry[V]) {
	if !e.isDirty {
		e.isDirty = true
		c.budget.dirty += e.size
	}
	c.dirty.toBack(e)
}

// clean takes the mark from an entry.
func (c *cache[V]) clean(e *cacheEntry[V]) {
	if e.isDirty {
		e.isDirty, e.readAhead = false, false
		c.budget.dirty -= e.size
		c.dirty.remove(e)
	}
}

func (c *cache[V]) remove(e *cacheEntry[V]) {
	c.lru.remove(e)
	c.clean(e)
	delete(c.rows, e.row)
	if c.last == e {
		c.last = nil
	}
	if c.byRow != nil {
		c.byRow.Delete(e)
	}
	c.grow(e, -e.size)
}

// drop empties the cache, unflushed.
func (c *cache[V]) drop() {
	for e := c.lru.first(); e != nil; e = c.lru.first() {
		c.remove(e)
	}
}

// between returns the entries in [lo, hi) in order.
func (c *cache[V]) between(dst []*cacheEntry[V], lo, hi []byte, reverse bool) []*cacheEntry[V] {
	if c.byRow == nil {
		c.byRow = btree.NewBTreeGOptions(
			func(a, b *cacheEntry[V]) bool { return a.row < b.row }, btree.Options{NoLocks: true})
		for _, e := range c.rows {
			c.byRow.Set(e)
		}
	}
	end := string(hi)
	c.byRow.Ascend(&cacheEntry[V]{row: string(lo)}, func(e *cacheEntry[V]) bool {
		if hi != nil && e.row >= end {
			return false
		}
		dst = append(dst, e)
		return true
	})
	if reverse {
		slices.Reverse(dst)
	}
	return dst
}

// update returns the entry of a row, marked dirty under the current record.
func (r *rows[V]) update(row []byte) *cacheEntry[V] {
	e := r.cache.entry(row)
	e.rec = r.record()
	e.rec.Headers = cloneHeaders(e.rec.Headers)
	r.cache.soil(e)
	return e
}

// cloneHeaders copies headers out of the memory of the fetched batch they may
// lie in.
func cloneHeaders(h processor.Headers) processor.Headers {
	if len(h) == 0 {
		return nil
	}
	out := make(processor.Headers, len(h))
	for i := range h {
		out[i] = processor.Header{Key: strings.Clone(h[i].Key), Value: bytes.Clone(h[i].Value)}
	}
	return out
}

// encode puts the encoding of v into the scratch of a cache that holds bytes.
func (r *rows[V]) encode(v V) (err error) {
	if r.cache.how.typed {
		return nil
	}
	if r.buf, err = r.vs.Append(r.buf[:0], v); err != nil {
		return r.fail("cache", err)
	}
	return nil
}

// keep makes v, which encode has seen, the value of an entry.
func (r *rows[V]) keep(e *cacheEntry[V], v V, ts int64) {
	if r.cache.how.typed {
		e.v = r.cache.how.copy(v)
	} else {
		e.raw = append(e.raw[:0], r.buf...)
	}
	e.ts, e.present = ts, true
	r.cache.resize(e)
}

func (r *rows[V]) clear(e *cacheEntry[V]) {
	var zero V
	e.v, e.raw, e.present, e.ts = zero, e.raw[:0], false, -1
	r.cache.resize(e)
}

// remember keeps a row that was read.
func (r *rows[V]) remember(row []byte, v V, ts int64) error {
	if err := r.encode(v); err != nil {
		return err
	}
	r.keep(r.cache.entry(row), v, ts)
	return r.evict()
}

// getTracked is get for somebody who acts on the value.
func (r *rows[V]) getTracked(row []byte) (v V, ts int64, ok bool, err error) {
	v, ts, ok, err = r.get(row)
	if r.cache != nil && err == nil {
		if e := r.cache.find(row); e != nil && e.isDirty {
			e.readAhead = true
		}
	}
	return v, ts, ok, err
}

// cached returns the value of a present entry for the caller to own.
func (r *rows[V]) cached(e *cacheEntry[V]) (v V, err error) {
	if r.cache.how.typed {
		return r.cache.how.copy(e.v), nil
	}
	return r.value(e.raw)
}

// evict frees entries of this store until the budget holds.
func (r *rows[V]) evict() error {
	c := r.cache
	for c.budget.used > c.budget.limit && !c.flushing {
		e := c.lru.first()
		if e == nil {
			return nil
		}
		if e.isDirty {
			c.dirty.toFront(e)
			if err := r.Flush(); err != nil {
				return err
			}
		}
		if c.rows[e.row] == e {
			c.remove(e)
		}
	}
	return nil
}

// Flush writes the dirty entries below, in the order of their last updates, and
// hands each to the listener under the record of its last update.
func (r *rows[V]) Flush() error {
	if r.fault != nil || r.cache == nil || r.cache.dirty.first() == nil {
		return r.fault
	}
	c := r.cache
	record, was := r.record(), c.flushing
	c.flushing = true // what the listeners put must not evict under our feet
	err := r.flushDirty()
	c.flushing = was
	if r.env.SetRecord != nil {
		r.env.SetRecord(record)
	}
	return err
}

func (r *rows[V]) flushDirty() error {
	c := r.cache
	last := c.dirty.last()
	for e := c.dirty.first(); e != nil; e = c.dirty.first() {
		readAhead := e.readAhead
		c.clean(e)
		if r.env.SetRecord != nil {
			r.env.SetRecord(e.rec)
		}
		if err := r.flush(e, readAhead); err != nil {
			return err
		}
		if e == last {
			break // what a listener has put meanwhile is for the next flush
		}
	}
	return nil
}

// flush writes an entry below. readAhead says that somebody acted on what it held.
func (r *rows[V]) flush(e *cacheEntry[V], readAhead bool) (err error) {
	c := r.cache
	u := Update[V]{HasNew: e.present, Timestamp: e.rec.Timestamp, ReadAhead: readAhead}
	c.flushed = append(c.flushed[:0], e.row...)
	row := c.flushed
	if c.listener != nil && (!e.present || c.wantOld) {
		if u.Old, _, u.HasOld, err = r.read(row); err != nil {
			return err
		}
		if !e.present && !u.HasOld {
			c.remove(e)
			if !readAhead {
				return nil
			}
			return c.listener(row, u)
		}
	}
	if e.present {
		if u.New, err = r.cached(e); err != nil {
			return err
		}
		if r.timed {
			u.Timestamp = e.ts
		}
		err = r.write(row, u.New, e.ts)
	} else {
		c.remove(e)
		err = r.remove(row, true)
	}
	if err != nil || c.listener == nil {
		return err
	}
	return c.listener(row, u)
}

// scanCached is scan over the cache's entries and the rows below. It sees the
// cache's keys as they were when it began.
func (r *rows[V]) scanCached(lo, hi []byte, reverse bool, f func(row []byte, v V, ts int64) bool) error {
	entries := r.cache.between(nil, lo, hi, reverse)
	it := r.p.Scan(lo, hi, reverse)
	defer it.Close()
	below := it.Next()
	for below || len(entries) > 0 {
		c := -1
		if len(entries) == 0 {
			c = 1
		} else if below {
			if c = strings.Compare(entries[0].row, string(it.Key())); reverse {
				c = -c
			}
		}
		if c <= 0 {
			e := entries[0]
			entries = entries[1:]
			if c == 0 {
				below = it.Next()
			}
			if !e.present {
				continue
			}
			v, err := r.cached(e)
			if err != nil {
				return err
			}
			r.cache.row = append(r.cache.row[:0], e.row...)
			if !f(r.cache.row, v, e.ts) {
				return nil
			}
			continue
		}
		if r.seg == nil || !r.seg.expired(it.Key(), r.p.pos.Observed) {
			v, ts, err := r.decode(it.Value())
			if err != nil {
				return err
			}
			if !f(it.Key(), v, ts) {
				return nil
			}
		}
		below = it.Next()
	}
	return it.Err()
}
