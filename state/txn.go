package state

import "fmt"

// A Txn is the local side of a worker's transactions, one after the other: the
// uncommitted writes of the store-partitions opened in it. It belongs to one
// goroutine.
//
// The order of a commit is: the transaction of the outputs, changelogs and
// offsets ends first; then SetPosition on each partition and Commit. A process
// that dies in between finds the older state and restores the rest.
type Txn struct {
	db     *DB
	parts  []*Partition
	batch  Batch
	sorter sorter // scratch of Commit
}

// NewTxn returns a transaction with no store-partition in it.
func (d *DB) NewTxn() *Txn { return &Txn{db: d} }

// Open opens a store-partition, making it where the engine has none, as its only
// owner until Release.
func (t *Txn) Open(store string, partition int32) (*Partition, error) {
	prefix, err := t.db.hold(partitionID{store, partition})
	if err != nil {
		return nil, err
	}
	pos, err := position(t.db.engine, prefix)
	if err != nil {
		t.db.release(prefix)
		return nil, fmt.Errorf("state: store %q partition %d: %w", store, partition, err)
	}
	p := &Partition{
		store: store, number: partition, prefix: prefix, reader: t.db.engine, txn: t,
		over: newOverlay(), key: prefixBytes(prefix), pos: pos, stored: pos,
	}
	t.parts = append(t.parts, p)
	return p, nil
}

// Join takes over the store-partitions of another transaction, with what was
// written to them, so that one Commit writes them all. The other one may be used
// to open more, and Release goes to whoever has a partition. Both belong to the
// calling goroutine.
func (t *Txn) Join(other *Txn) {
	for _, p := range other.parts {
		p.txn = t
	}
	t.parts = append(t.parts, other.parts...)
	other.parts = nil
}

// Release gives a partition up; what it wrote since the last commit is lost.
func (*Txn) Release(p *Partition) {
	t := p.txn
	for i := range t.parts {
		if t.parts[i] == p {
			t.parts = append(t.parts[:i], t.parts[i+1:]...)
			t.db.release(p.prefix)
			p.readOnly = true
			return
		}
	}
}

// Size is the memory the uncommitted writes take, in bytes.
func (t *Txn) Size() int64 {
	var n int
	for _, p := range t.parts {
		n += p.over.size() + p.load.size()
	}
	return int64(n)
}

// Commit writes everything to the engine in one atomic batch. When it fails nothing
// is written, and there is no way on but Abort.
func (t *Txn) Commit() error {
	t.batch.Reset()
	t.batch.grow(int(t.Size()))
	for _, p := range t.parts {
		if p.over.scans > 0 {
			return p.fail("commit", fmt.Errorf("%d scans are open", p.over.scans))
		}
		if p.dirty() {
			p.collect(&t.batch, &t.sorter)
		}
	}
	if t.batch.Len() == 0 {
		return nil
	}
	if err := t.db.engine.Apply(&t.batch); err != nil {
		return fmt.Errorf("state: commit: %w", err)
	}
	for _, p := range t.parts {
		p.forget()
		p.stored = p.pos
	}
	t.batch.shrink()
	return nil
}

// Abort drops everything written since the last commit. Stores opened on the
// partitions must be closed and opened again: they may have kept what is gone.
func (t *Txn) Abort() {
	for _, p := range t.parts {
		p.forget()
		p.pos = p.stored
	}
}
