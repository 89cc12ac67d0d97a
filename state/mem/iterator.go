package mem

import (
	"bytes"

	"github.com/thalweg/thalweg/state"
)

// chunk is how many rows an iterator takes under one lock, and few how many it
// takes first, because most scans are short.
const (
	chunk = 64
	few   = 8
)

// iterator walks over a range in chunks, so that no lock is held between calls
// and a writer never waits for a reader's loop. Rows that are written while the
// iterator is open may or may not be seen; a snapshot sees none.
type iterator struct {
	e       *engine
	lo, hi  []byte
	reverse bool
	done    bool // nothing is left beyond rows
	rows    []item
	at      int
	err     error
	first   *[few]item // lent by the engine; nil before the first row and after Close
}

func newIterator(e *engine, lo, hi []byte, reverse bool) *iterator {
	return &iterator{e: e, lo: lo, hi: hi, reverse: reverse, at: -1}
}

func (it *iterator) Next() bool {
	if it.err != nil {
		return false
	}
	if it.at+1 < len(it.rows) {
		it.at++
		return true
	}
	if it.done || !it.fill() {
		it.rows, it.at = it.rows[:0], 0
		return false
	}
	it.at = 0
	return true
}

// fill takes the next rows and moves the near end of the range behind them.
func (it *iterator) fill() bool {
	it.e.mu.RLock()
	defer it.e.mu.RUnlock()
	if it.e.closed {
		it.err = state.ErrClosed
		return false
	}
	limit := chunk
	if it.first == nil {
		it.first, limit = it.e.lend(), few
		it.rows = it.first[:0]
	}
	it.rows = it.rows[:0]
	take := func(row item) bool {
		it.rows = append(it.rows, row)
		return len(it.rows) < limit
	}
	if it.reverse {
		it.descend(take)
	} else {
		it.e.tree.Ascend(item{key: it.lo}, func(row item) bool {
			return (it.hi == nil || bytes.Compare(row.key, it.hi) < 0) && take(row)
		})
	}
	if len(it.rows) < limit {
		it.done = true
		return len(it.rows) > 0
	}
	last := it.rows[len(it.rows)-1].key
	if it.reverse {
		it.hi = last
	} else {
		it.lo = append(append(make([]byte, 0, len(last)+1), last...), 0) // the least key above last
	}
	return true
}

func (it *iterator) descend(take func(item) bool) {
	step := func(row item) bool {
		if it.hi != nil && bytes.Compare(row.key, it.hi) >= 0 {
			return true // the pivot itself
		}
		return bytes.Compare(row.key, it.lo) >= 0 && take(row)
	}
	if it.hi == nil {
		it.e.tree.Reverse(step)
	} else {
		it.e.tree.Descend(item{key: it.hi}, step)
	}
}

func (it *iterator) Key() []byte   { return it.rows[it.at].key }
func (it *iterator) Value() []byte { return it.rows[it.at].value }
func (it *iterator) Err() error    { return it.err }

func (it *iterator) Close() error {
	it.done, it.rows, it.at = true, nil, 0
	if it.first != nil {
		it.e.takeBack(it.first)
		it.first = nil
	}
	return it.err
}
