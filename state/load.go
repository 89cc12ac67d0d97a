package state

import "fmt"

// loader is the restored rows of a partition that the engine does not have yet.
// Of several writes of a key the last one counts.
type loader struct {
	rows   Batch // in the order in which they came
	sorter sorter
}

func (l *loader) write(op Op, prefix, key, value []byte) {
	l.rows.write(op, prefix, key, value)
	l.sorter.add(uint32(l.rows.last), len(prefix)+len(key))
}

// size is the memory in use, in bytes.
func (l *loader) size() int { return l.rows.Size() + l.sorter.size() }

// drain yields the rows in the order of their keys and empties the loader.
func (l *loader) drain(yield func(op Op, key, value []byte)) {
	l.sorter.drain(l.rows.key, func(at uint32) { yield(l.rows.at(at)) })
	l.rows.Reset()
}

// reset empties the loader and gives back its memory.
func (l *loader) reset() { *l = loader{} }

// Load writes a restored row (a nil value deletes) for the next Ingest or
// commit, past the overlay: it is not seen before. It is for restoring, when
// nothing else is written to the partition. A store that has to read what it
// restores writes with Put and its like instead.
func (p *Partition) Load(key, value []byte) error {
	if p.readOnly {
		return p.fail("load", ErrReadOnly)
	}
	if value == nil {
		p.load.write(OpDelete, p.key[:prefixSize], key, nil)
	} else {
		p.load.write(OpPut, p.key[:prefixSize], key, value)
	}
	return nil
}

// Loaded is the memory that restored rows take until they are ingested, in bytes.
func (p *Partition) Loaded() int { return p.load.size() + p.over.size() }

// fewLoaded is up to how many bytes of rows go the way of a commit: a file of
// their own would cost more.
const fewLoaded = 1 << 20

// Ingest writes everything that was written to the partition, and the position
// that covers it, to the engine, all or none, whatever becomes of the transaction:
// in sorted files where loaded rows are many.
//
// While a partition is restored it may belong to another goroutine than its
// transaction does.
func (p *Partition) Ingest() error {
	switch {
	case p.readOnly:
		return p.fail("ingest", ErrReadOnly)
	case p.over.scans > 0:
		return p.fail("ingest", fmt.Errorf("%d scans are open", p.over.scans))
	case !p.dirty():
		return nil
	}
	var err error
	if p.load.rows.Size() > fewLoaded && p.over.live == 0 && len(p.dropped) == 0 {
		position := func(yield func(op Op, key, value []byte)) {
			yield(OpPut, positionKey(p.prefix), p.pos.append(nil))
		}
		err = p.txn.db.engine.Ingest(position, p.load.drain)
	} else {
		var b Batch
		p.collect(&b, new(sorter))
		err = p.txn.db.engine.Apply(&b)
	}
	if err != nil {
		return p.fail("ingest", fmt.Errorf("rows up to offset %d: %w", p.pos.Offset, err))
	}
	p.forget()
	p.stored = p.pos
	return nil
}
