// Package mem is the engine that keeps everything in memory: for tests, and for
// programs whose stores are small enough to be restored from their changelogs
// at each start.
package mem

import (
	"bytes"
	"sync"

	"github.com/tidwall/btree"

	"github.com/thalweg/thalweg/state"
)

// New returns the backend. Each engine it opens is empty.
func New() state.Backend { return backend{} }

type backend struct{}

func (backend) Name() string { return "memory" }

func (backend) Open(state.Options) (state.Engine, error) {
	return &engine{tree: newTree()}, nil
}

// item is one row. Its bytes are never changed once it is in a tree, so readers
// may hold them without a lock.
type item struct{ key, value []byte }

func newTree() *btree.BTreeG[item] {
	return btree.NewBTreeGOptions(
		func(a, b item) bool { return bytes.Compare(a.key, b.key) < 0 },
		btree.Options{NoLocks: true})
}

// engine guards its tree by a lock that is held for single look-ups and chunks
// of a scan, never while user code runs.
type engine struct {
	mu     sync.RWMutex
	tree   *btree.BTreeG[item]
	closed bool
	lent   sync.Pool // of *[few]item, for iterators
}

func (e *engine) lend() *[few]item {
	if rows, ok := e.lent.Get().(*[few]item); ok {
		return rows
	}
	return new([few]item)
}

func (e *engine) takeBack(rows *[few]item) {
	clear(rows[:]) // or the rows would be kept alive
	e.lent.Put(rows)
}

func (e *engine) Get(dst, key []byte) ([]byte, bool, error) {
	e.mu.RLock()
	defer e.mu.RUnlock()
	if e.closed {
		return dst[:0], false, state.ErrClosed
	}
	it, ok := e.tree.Get(item{key: key})
	return append(dst[:0], it.value...), ok, nil
}

func (e *engine) Scan(lo, hi []byte, reverse bool) state.Iterator {
	return newIterator(e, lo, hi, reverse)
}

// Snapshot copies the tree, which shares its nodes until one side writes.
func (e *engine) Snapshot() state.Snapshot {
	e.mu.Lock() // Copy writes to the tree it copies
	defer e.mu.Unlock()
	return &snapshot{engine{tree: e.tree.Copy(), closed: e.closed}}
}

func (e *engine) Apply(b *state.Batch) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return state.ErrClosed
	}
	return b.Each(func(op state.Op, key, value []byte) bool {
		switch op {
		case state.OpPut:
			e.put(key, value)
		case state.OpDelete:
			e.tree.Delete(item{key: key})
		case state.OpDeleteRange:
			e.deleteRange(key, value)
		}
		return true
	})
}

func (e *engine) Ingest(runs ...state.Run) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return state.ErrClosed
	}
	for _, run := range runs {
		run(func(op state.Op, key, value []byte) {
			if op == state.OpDelete {
				e.tree.Delete(item{key: key})
			} else {
				e.put(key, value)
			}
		})
	}
	return nil
}

func (e *engine) put(key, value []byte) {
	it, ok := e.tree.Get(item{key: key})
	if ok {
		it.value = append(make([]byte, 0, len(value)), value...)
	} else {
		row := make([]byte, 0, len(key)+len(value))
		row = append(append(row, key...), value...)
		it = item{key: row[:len(key):len(key)], value: row[len(key):]}
	}
	e.tree.Set(it)
}

func (e *engine) deleteRange(lo, hi []byte) {
	if bytes.Compare(lo, hi) >= 0 {
		return
	}
	var doomed []item
	e.tree.Ascend(item{key: lo}, func(it item) bool {
		if bytes.Compare(it.key, hi) >= 0 {
			return false
		}
		doomed = append(doomed, it)
		return true
	})
	for _, it := range doomed {
		e.tree.Delete(it)
	}
}

func (e *engine) Close() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return state.ErrClosed
	}
	e.closed, e.tree = true, newTree()
	return nil
}

// snapshot is an engine nobody applies to.
type snapshot struct{ engine }

func (s *snapshot) Close() error { return s.engine.Close() }
