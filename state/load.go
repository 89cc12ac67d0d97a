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
func (p *Partition) Loaded() (n int) {
	for _, p := range p.group() {
		n += p.load.size() + p.over.size()
	}
	return n
}

// fewLoaded is up to how many bytes of rows go the way of a commit: a file of
// their own would cost more.
const fewLoaded = 1 << 20

// Ingest writes everything that was written to the partition and to those that
// are kept with it, and the position that covers it, to the engine, all or none,
// whatever becomes of the transaction: in sorted files where loaded rows are many.
// When it fails, what was written is given up as by an abort.
//
// While a partition is restored it may belong to another goroutine than its
// transaction does.
func (p *Partition) Ingest() error {
	rows, files, dirty := 0, true, false
	for _, p := range p.group() {
		switch {
		case p.readOnly:
			return p.fail("ingest", ErrReadOnly)
		case p.over.scans > 0:
			return p.fail("ingest", fmt.Errorf("%d scans are open", p.over.scans))
		}
		rows += p.load.rows.Size()
		files = files && p.over.live == 0 && len(p.dropped) == 0
		dirty = dirty || p.dirty()
	}
	if !dirty {
		return nil
	}
	var err error
	if files && rows > fewLoaded {
		err = p.ingestFiles()
	} else {
		err = p.ingestBatch()
	}
	if err != nil {
		err = p.fail("ingest", fmt.Errorf("rows up to offset %d: %w", p.pos.Offset, err))
	}
	for _, p := range p.group() {
		p.forget()
		if err != nil {
			p.pos = p.stored
		}
		p.stored = p.pos
	}
	return err
}

func (p *Partition) ingestFiles() error {
	runs := []Run{func(yield func(op Op, key, value []byte)) {
		yield(OpPut, positionKey(p.prefix), p.pos.append(nil))
	}}
	for _, p := range p.group() {
		runs = append(runs, p.load.drain)
	}
	return p.txn.db.engine.Ingest(runs...)
}

func (p *Partition) ingestBatch() error {
	var b Batch
	for _, p := range p.group() {
		p.collect(&b, new(sorter))
	}
	return p.txn.db.engine.Apply(&b)
}

// group is the partition and those that are kept with it.
func (p *Partition) group() []*Partition { return append([]*Partition{p}, p.beside...) }
