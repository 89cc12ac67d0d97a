package state

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"sync"
)

// A DB is the engine of one process with its catalog of store-partitions. Its
// methods may be called from any goroutine.
//
// Every key begins with four bytes. Those of a store-partition are its prefix,
// given out by the catalog and never used again; the catalog itself lies under
// prefix 0:
//
//	0 | 'c' | uint32 partition | store name → uint32 prefix
//	0 | 'p' | uint32 prefix                 → Position
//	0 | 'n'                                 → uint32 next prefix
type DB struct {
	engine Engine
	name   string

	mu    sync.Mutex
	next  uint32
	parts map[partitionID]uint32 // prefixes
	held  map[uint32]bool        // prefixes open in some Txn
}

type partitionID struct {
	store     string
	partition int32
}

const prefixSize = 4

var (
	catalogRows  = []byte{0, 0, 0, 0, 'c'}
	catalogEnd   = []byte{0, 0, 0, 0, 'd'}
	positionRows = []byte{0, 0, 0, 0, 'p'}
	nextRow      = []byte{0, 0, 0, 0, 'n'}
)

// Open opens the backend's engine and reads its catalog.
func Open(b Backend, o Options) (*DB, error) {
	e, err := b.Open(o)
	if err != nil {
		return nil, fmt.Errorf("state: open %s: %w", b.Name(), err)
	}
	d := &DB{engine: e, name: b.Name(), next: 1, parts: map[partitionID]uint32{}, held: map[uint32]bool{}}
	if err := d.load(); err != nil {
		e.Close()
		return nil, fmt.Errorf("state: open %s: %w", b.Name(), err)
	}
	return d, nil
}

func (d *DB) load() error {
	v, ok, err := d.engine.Get(nil, nextRow)
	if err != nil {
		return err
	}
	if ok {
		if len(v) != prefixSize {
			return fmt.Errorf("%w: next prefix of %d bytes", ErrCorrupt, len(v))
		}
		d.next = binary.BigEndian.Uint32(v)
	}
	it := d.engine.Scan(catalogRows, catalogEnd, false)
	defer it.Close()
	for it.Next() {
		k, v := it.Key()[len(catalogRows):], it.Value()
		if len(k) < 4 || len(v) != prefixSize {
			return fmt.Errorf("%w: catalog entry %x", ErrCorrupt, it.Key())
		}
		id := partitionID{string(k[4:]), int32(binary.BigEndian.Uint32(k))}
		d.parts[id] = binary.BigEndian.Uint32(v)
	}
	return it.Err()
}

// Name is the backend's name.
func (d *DB) Name() string { return d.name }

// Engine is the engine itself, for measurements and checks. Writing to it past
// the transactions breaks the invariants of this package.
func (d *DB) Engine() Engine { return d.engine }

func catalogKey(id partitionID) []byte {
	k := binary.BigEndian.AppendUint32(slices.Clone(catalogRows), uint32(id.partition))
	return append(k, id.store...)
}

func positionKey(prefix uint32) []byte {
	return binary.BigEndian.AppendUint32(slices.Clone(positionRows), prefix)
}

func prefixBytes(prefix uint32) []byte { return binary.BigEndian.AppendUint32(nil, prefix) }

// hold finds or makes the prefix of a store-partition and marks it as open.
func (d *DB) hold(id partitionID) (uint32, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	p, ok := d.parts[id]
	if !ok {
		p = d.next
		if p == 0 {
			return 0, fmt.Errorf("state: all %d prefixes are used", uint32(1<<32-1))
		}
		var b Batch
		b.Put(catalogKey(id), prefixBytes(p))
		b.Put(nextRow, prefixBytes(p+1))
		if err := d.engine.Apply(&b); err != nil {
			return 0, err
		}
		d.next, d.parts[id] = p+1, p
	}
	if d.held[p] {
		return 0, fmt.Errorf("state: store %q partition %d is open in another transaction", id.store, id.partition)
	}
	d.held[p] = true
	return p, nil
}

func (d *DB) release(prefix uint32) {
	d.mu.Lock()
	delete(d.held, prefix)
	d.mu.Unlock()
}

// position reads the committed position under prefix.
func position(r Reader, prefix uint32) (Position, error) {
	v, ok, err := r.Get(nil, positionKey(prefix))
	if err != nil || !ok {
		return startPosition, err
	}
	return parsePosition(v)
}

// PartitionInfo describes a store-partition that lies in the engine.
type PartitionInfo struct {
	Store     string
	Partition int32
	Position  Position // as committed
	Open      bool     // in some transaction
}

// Partitions lists the store-partitions in the engine, ordered by store and
// partition: what an assignor counts as local state, and what a cleaner may
// drop.
func (d *DB) Partitions() ([]PartitionInfo, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	infos := make([]PartitionInfo, 0, len(d.parts))
	for id, prefix := range d.parts {
		pos, err := position(d.engine, prefix)
		if err != nil {
			return nil, err
		}
		infos = append(infos, PartitionInfo{id.store, id.partition, pos, d.held[prefix]})
	}
	slices.SortFunc(infos, func(a, b PartitionInfo) int {
		if c := strings.Compare(a.Store, b.Store); c != 0 {
			return c
		}
		return int(a.Partition) - int(b.Partition)
	})
	return infos, nil
}

// Drop removes a store-partition with all its rows. It fails while the
// store-partition is open, and does nothing when there is none.
func (d *DB) Drop(store string, partition int32) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	id := partitionID{store, partition}
	p, ok := d.parts[id]
	if !ok {
		return nil
	}
	if d.held[p] {
		return fmt.Errorf("state: drop store %q partition %d: it is open", store, partition)
	}
	var b Batch
	b.DeleteRange(prefixBytes(p), prefixBytes(p+1))
	b.Delete(positionKey(p))
	b.Delete(catalogKey(id))
	if err := d.engine.Apply(&b); err != nil {
		return err
	}
	delete(d.parts, id)
	return nil
}

// View returns the committed content of a store-partition as it is in s, which
// may be a snapshot or the engine itself, for reading from any one goroutine.
// ok is false when s holds no such store-partition.
func (d *DB) View(s Reader, store string, partition int32) (p *Partition, ok bool, err error) {
	// Not by what the catalog says now: it may have been dropped and made anew.
	v, ok, err := s.Get(nil, catalogKey(partitionID{store, partition}))
	if err != nil || !ok {
		return nil, false, err
	}
	if len(v) != prefixSize {
		return nil, false, fmt.Errorf("%w: prefix of %d bytes", ErrCorrupt, len(v))
	}
	prefix := binary.BigEndian.Uint32(v)
	pos, err := position(s, prefix)
	if err != nil {
		return nil, false, err
	}
	return &Partition{
		store: store, number: partition, prefix: prefix, reader: s, readOnly: true,
		key: prefixBytes(prefix), pos: pos,
	}, true, nil
}

// Snapshot returns the engine as it is now.
func (d *DB) Snapshot() Snapshot { return d.engine.Snapshot() }

// Close closes the engine. All transactions must have ended and all snapshots
// been closed.
func (d *DB) Close() error { return d.engine.Close() }
