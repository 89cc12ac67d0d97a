//go:build rocksdb

package rocks

import (
	"bytes"
	"fmt"

	"github.com/linxGnu/grocksdb"

	"github.com/thalweg/thalweg/state"
)

// iterator reads rows in place. The upper bound is checked here: RocksDB would
// keep a pointer to it into memory that Go may move.
type iterator struct {
	e       *engine
	it      *grocksdb.Iterator
	lo, hi  []byte
	reverse bool
	started bool
	done    bool
	key     []byte
	err     error
}

func (e *engine) scan(read *grocksdb.ReadOptions, lo, hi []byte, reverse bool) state.Iterator {
	e.mu.RLock()
	defer e.mu.RUnlock()
	if e.closed {
		return failed{state.ErrClosed}
	}
	e.open.Add(1)
	return &iterator{e: e, it: e.db.NewIterator(read), lo: lo, hi: hi, reverse: reverse}
}

func (i *iterator) Next() bool {
	if i.done {
		return false
	}
	if i.started {
		i.step()
	} else {
		i.started = true
		i.seek()
	}
	if !i.it.Valid() {
		if err := i.it.Err(); err != nil {
			i.err = fmt.Errorf("rocks: scan: %w", err)
		}
		i.done = true
		return false
	}
	i.key = i.it.Key().Data()
	if i.reverse && bytes.Compare(i.key, i.lo) < 0 || !i.reverse && i.hi != nil && bytes.Compare(i.key, i.hi) >= 0 {
		i.done = true
	}
	return !i.done
}

func (i *iterator) step() {
	if i.reverse {
		i.it.Prev()
	} else {
		i.it.Next()
	}
}

func (i *iterator) seek() {
	switch {
	case !i.reverse:
		i.it.Seek(i.lo)
	case i.hi == nil:
		i.it.SeekToLast()
	default:
		i.it.SeekForPrev(i.hi)
		if i.it.Valid() && bytes.Equal(i.it.Key().Data(), i.hi) {
			i.it.Prev()
		}
	}
}

func (i *iterator) Key() []byte   { return i.key }
func (i *iterator) Value() []byte { return i.it.Value().Data() }
func (i *iterator) Err() error    { return i.err }

func (i *iterator) Close() error {
	if i.it != nil {
		i.it.Close()
		i.it, i.done = nil, true
		i.e.open.Add(-1)
	}
	return i.err
}

// failed is an iterator over nothing but an error.
type failed struct{ err error }

func (failed) Next() bool     { return false }
func (failed) Key() []byte    { return nil }
func (failed) Value() []byte  { return nil }
func (f failed) Err() error   { return f.err }
func (f failed) Close() error { return f.err }
