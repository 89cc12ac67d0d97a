//go:build rocksdb

package rocks

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/linxGnu/grocksdb"

	"github.com/thalweg/thalweg/state"
)

func (b backend) Open(o state.Options) (state.Engine, error) {
	if err := os.MkdirAll(b.path, 0o750); err != nil {
		return nil, fmt.Errorf("rocks: %w", err)
	}
	memory := uint64(max(o.Memory, 0))
	if memory == 0 {
		memory = state.DefaultMemory
	}
	if err := removeIncoming(b.path); err != nil {
		return nil, fmt.Errorf("rocks: %w", err)
	}
	e := &engine{path: b.path}
	e.configure(memory)
	db, err := grocksdb.OpenDb(e.opts, b.path)
	if err != nil {
		e.destroy()
		if strings.Contains(err.Error(), "lock ") { // "While lock file", "lock hold by current process"
			return nil, fmt.Errorf("rocks: open %s: %w: %w", b.path, state.ErrInUse, err)
		}
		return nil, fmt.Errorf("rocks: open %s: %w", b.path, err)
	}
	e.db = db
	if e.reads, err = e.reading(e.reads.options); err != nil {
		db.Close()
		e.destroy()
		return nil, fmt.Errorf("rocks: %w", err)
	}
	return e, nil
}

// engine is one RocksDB with a single column family.
//
// The write-ahead log is off: what is lost when the process dies is restored
// from the changelogs. RocksDB flushes memtables whole and in order, and a batch
// is never split over two, so what is left is always a prefix of the batches.
type engine struct {
	path  string
	db    *grocksdb.DB
	opts  *grocksdb.Options
	table *grocksdb.BlockBasedTableOptions
	cache *grocksdb.Cache
	reads reading
	write *grocksdb.WriteOptions

	// mu is held for reading by every call, so that none meets a closed
	// database: in C that would be the end of the process.
	mu     sync.RWMutex
	closed bool
	open   atomic.Int64 // iterators and snapshots
}

// configure divides the memory: half for the blocks that are read, with their
// indexes and filters, the rest for two memtables and what is being flushed.
func (e *engine) configure(memory uint64) {
	e.cache = grocksdb.NewLRUCache(memory / 2)
	e.table = grocksdb.NewDefaultBlockBasedTableOptions()
	e.table.SetBlockCache(e.cache)
	e.table.SetCacheIndexAndFilterBlocks(true)
	e.table.SetPinL0FilterAndIndexBlocksInCache(true)
	e.table.SetFilterPolicy(grocksdb.NewBloomFilterFull(10))
	// In parts: the filter of a whole file is larger than what one shard of the
	// cache may hold, and would be read again, all of it, for each look-up.
	e.table.SetIndexType(grocksdb.KTwoLevelIndexSearchIndexType)
	e.table.SetPartitionFilters(true)
	e.table.SetPinTopLevelIndexAndFilter(true)

	e.opts = grocksdb.NewDefaultOptions()
	e.opts.SetCreateIfMissing(true)
	e.opts.SetBlockBasedTableFactory(e.table)
	e.opts.SetDbWriteBufferSize(memory / 2)
	e.opts.SetWriteBufferSize(max(memory/4, 64<<10))
	e.opts.SetMaxWriteBufferNumber(3)
	e.opts.SetCompression(grocksdb.NoCompression) // values are small, and recent ones read most
	e.opts.SetMaxBackgroundJobs(max(2, runtime.GOMAXPROCS(0)))
	e.opts.SetLevelCompactionDynamicLevelBytes(true)
	e.opts.SetInfoLogLevel(grocksdb.ErrorInfoLogLevel)
	e.opts.SetKeepLogFileNum(2)

	e.reads.options = grocksdb.NewDefaultReadOptions()
	e.write = grocksdb.NewDefaultWriteOptions()
	e.write.DisableWAL(true)
}

func (e *engine) destroy() {
	e.write.Destroy()
	e.reads.options.Destroy()
	e.opts.Destroy()
	e.table.Destroy()
	e.cache.Destroy()
}

func (e *engine) Get(dst, key []byte) ([]byte, bool, error) {
	e.mu.RLock()
	defer e.mu.RUnlock()
	if e.closed {
		return dst[:0], false, state.ErrClosed
	}
	return e.get(e.reads, dst, key)
}

func (e *engine) Scan(lo, hi []byte, reverse bool) state.Iterator {
	return e.scan(e.reads.options, lo, hi, reverse)
}

func (e *engine) Apply(b *state.Batch) error {
	if b.Len() == 0 {
		return nil
	}
	e.mu.RLock()
	defer e.mu.RUnlock()
	if e.closed {
		return state.ErrClosed
	}
	wb := grocksdb.WriteBatchFrom(b.Bytes())
	defer wb.Destroy()
	if err := e.db.Write(e.write, wb); err != nil {
		return fmt.Errorf("rocks: write: %w", err)
	}
	return nil
}

func (e *engine) Snapshot() state.Snapshot {
	e.mu.RLock()
	defer e.mu.RUnlock()
	s := &snapshot{e: e}
	if e.closed {
		s.closed = true
		return s
	}
	e.open.Add(1)
	s.at = e.db.NewSnapshot()
	options := grocksdb.NewDefaultReadOptions()
	options.SetSnapshot(s.at)
	var err error
	if s.reads, err = e.reading(options); err != nil {
		panic(err) // it succeeded in Open
	}
	return s
}

func (e *engine) Close() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return state.ErrClosed
	}
	if n := e.open.Load(); n > 0 {
		return fmt.Errorf("rocks: close: %d iterators or snapshots are open", n)
	}
	flush := grocksdb.NewDefaultFlushOptions()
	defer flush.Destroy()
	err := e.db.Flush(flush)
	e.closed = true
	e.db.Close()
	e.destroy()
	if err != nil {
		return fmt.Errorf("rocks: close: %w", err)
	}
	return nil
}

// snapshot guards itself, because a query may close it while another reads.
type snapshot struct {
	e      *engine
	mu     sync.RWMutex
	at     *grocksdb.Snapshot
	reads  reading
	closed bool
}

func (s *snapshot) Get(dst, key []byte) ([]byte, bool, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return dst[:0], false, state.ErrClosed
	}
	s.e.mu.RLock()
	defer s.e.mu.RUnlock()
	if s.e.closed {
		return dst[:0], false, state.ErrClosed
	}
	return s.e.get(s.reads, dst, key)
}

func (s *snapshot) Scan(lo, hi []byte, reverse bool) state.Iterator {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return failed{state.ErrClosed}
	}
	return s.e.scan(s.reads.options, lo, hi, reverse)
}

func (s *snapshot) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return state.ErrClosed
	}
	s.closed = true
	s.reads.options.Destroy()
	s.e.db.ReleaseSnapshot(s.at)
	s.e.open.Add(-1)
	return nil
}
