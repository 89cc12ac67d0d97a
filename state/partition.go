package state

import (
	"bytes"
	"errors"
	"fmt"
)

// ErrReadOnly is returned by writes to a committed view, and to a store that
// others write.
var ErrReadOnly = errors.New("state: the store is read-only here")

// A Partition is the byte rows of one store-partition: what its transaction has
// written, over what the engine holds. It belongs to the goroutine of its
// [Txn]; a committed view ([DB.View]) belongs to whoever asked for it.
type Partition struct {
	store    string
	number   int32
	prefix   uint32
	reader   Reader // the engine, or a snapshot
	txn      *Txn
	over     *overlay // nil in a committed view
	readOnly bool

	// beside are partitions of rows about this one's rows, restored with them.
	beside []*Partition

	dropped []span // ranges deleted in the transaction, oldest first
	load    loader // restored rows that the engine does not have yet
	pos     Position
	stored  Position // as in the engine
	key     []byte   // prefix | scratch
	value   []byte   // scratch for the engine's answers
	scans   []*scan  // to be used again
}

// span is a range of keys whose rows in the engine are deleted.
type span struct{ lo, hi []byte }

func (s span) has(key []byte) bool {
	return bytes.Compare(key, s.lo) >= 0 && bytes.Compare(key, s.hi) < 0
}

// Store and Number name the store-partition.
func (p *Partition) Store() string { return p.store }
func (p *Partition) Number() int32 { return p.number }

// Position returns the position as the transaction has it.
func (p *Partition) Position() Position { return p.pos }

// SetPosition says which changelog records the partition will hold after the
// next commit. The fields the stores keep themselves are left alone.
func (p *Partition) SetPosition(pos Position) {
	p.pos.TopicID, p.pos.Offset, p.pos.LeaderEpoch = pos.TopicID, pos.Offset, pos.LeaderEpoch
}

// full returns prefix | key in the partition's scratch.
func (p *Partition) full(key []byte) []byte {
	p.key = append(p.key[:prefixSize], key...)
	return p.key
}

// Get returns the value of key. It is valid until the next call of a method of
// this partition.
func (p *Partition) Get(key []byte) (value []byte, ok bool, err error) {
	if p.over != nil {
		if v, deleted, ok := p.over.get(key); ok {
			return v, !deleted, nil
		}
		if p.isDropped(key) {
			return nil, false, nil
		}
	}
	v, ok, err := p.reader.Get(p.value, p.full(key))
	if err != nil {
		return nil, false, p.fail("get", err)
	}
	p.value = v[:0]
	return v, ok, nil
}

func (p *Partition) isDropped(key []byte) bool {
	for i := range p.dropped {
		if p.dropped[i].has(key) {
			return true
		}
	}
	return false
}

func (p *Partition) fail(op string, err error) error {
	return fmt.Errorf("state: store %q partition %d: %s: %w", p.store, p.number, op, err)
}

// Put sets key to value in the transaction. It copies both.
func (p *Partition) Put(key, value []byte) error {
	if p.readOnly {
		return p.fail("put", ErrReadOnly)
	}
	p.over.put(key, value, false)
	return nil
}

// Delete removes key in the transaction.
func (p *Partition) Delete(key []byte) error {
	if p.readOnly {
		return p.fail("delete", ErrReadOnly)
	}
	p.over.put(key, nil, true)
	return nil
}

// DeleteRange removes the keys in [lo, hi) in the transaction.
func (p *Partition) DeleteRange(lo, hi []byte) error {
	if p.readOnly {
		return p.fail("delete range", ErrReadOnly)
	}
	if bytes.Compare(lo, hi) >= 0 {
		return nil
	}
	p.over.deleteRange(lo, hi)
	p.dropped = append(p.dropped, span{bytes.Clone(lo), bytes.Clone(hi)})
	return nil
}

// fewRows is up to how many rows Expire deletes one by one.
const fewRows = 1000

// Expire removes the keys in [lo, hi) in the transaction. Unlike DeleteRange it
// looks how many there are, and deletes a few one by one: each range deleted in
// an engine slows its reads until it is compacted away, and a stream that is
// read from its beginning moves past thousands of small segments in a second.
func (p *Partition) Expire(lo, hi []byte) error {
	if p.readOnly {
		return p.fail("expire", ErrReadOnly)
	}
	var keys []byte // one after the other
	var ends []int
	it := p.Scan(lo, hi, false)
	for len(ends) < fewRows && it.Next() {
		keys = append(keys, it.Key()...)
		ends = append(ends, len(keys))
	}
	if err := it.Close(); err != nil {
		return p.fail("expire", err)
	}
	if len(ends) == fewRows {
		return p.DeleteRange(lo, hi)
	}
	from := 0
	for _, to := range ends {
		p.over.put(keys[from:to], nil, true)
		from = to
	}
	return nil
}

// Scan iterates over the keys in [lo, hi) as they are now, in bytewise order or
// from the last to the first; writes made while the iterator is open are not
// seen by it. A nil hi means no upper end. The iterator must be closed, once,
// before the transaction ends.
func (p *Partition) Scan(lo, hi []byte, reverse bool) Iterator {
	return p.newScan(lo, hi, reverse)
}

// Empty reports whether the partition has no row.
func (p *Partition) Empty() (bool, error) {
	it := p.Scan(nil, nil, false)
	some := it.Next()
	if err := it.Close(); err != nil {
		return false, p.fail("scan", err)
	}
	return !some, nil
}

// dirty reports whether the next commit has anything to write.
func (p *Partition) dirty() bool {
	return p.over.live > 0 || len(p.dropped) > 0 || p.load.rows.Len() > 0 || p.pos != p.stored
}

// collect appends the partition's writes to b: restored rows, then deleted
// ranges, then single writes, of which the newest of each key counts. Writes
// made before a range was deleted have become deletes by then. sorted is scratch.
func (p *Partition) collect(b *Batch, sorted *sorter) {
	prefix := p.key[:prefixSize]
	p.load.drain(func(op Op, key, value []byte) { b.write(op, nil, key, value) })
	for _, s := range p.dropped {
		lo := append(prefixBytes(p.prefix), s.lo...)
		hi := append(prefixBytes(p.prefix), s.hi...)
		b.DeleteRange(lo, hi)
	}
	write := func(e *entry) {
		op, value := OpPut, p.over.valueOf(e)
		if e.flags&flagDeleted != 0 {
			op, value = OpDelete, nil
		}
		b.write(op, prefix, p.over.keyOf(e), value)
	}
	if p.over.ordered {
		p.over.newest(func(_ uint32, e *entry) { write(e) })
	} else {
		p.over.newest(func(n uint32, e *entry) { sorted.add(n, int(e.klen)) })
		sorted.drain(p.over.keyNumbered, func(n uint32) { write(&p.over.entries[n]) })
	}
	if p.pos != p.stored {
		p.value = p.pos.append(p.value[:0])
		b.Put(positionKey(p.prefix), p.value)
	}
}

// forget empties what a commit has written or an abort gives up.
func (p *Partition) forget() {
	if p.over.scans > 0 {
		p.over = newOverlay() // an abort in the middle of a scan, which keeps the old one
	} else {
		p.over.reset()
	}
	p.dropped = p.dropped[:0]
	p.load.reset()
}

// Wipe deletes every row of the partition, and its position, at once and
// without regard to the transaction: what the transaction wrote to it is gone
// too. A store opened on it must be closed and opened again: it may have kept what
// is gone. Wipe is for changelogs that turn out to be others than the rows came from.
func (p *Partition) Wipe() error {
	if p.readOnly {
		return p.fail("wipe", ErrReadOnly)
	}
	var b Batch
	for _, p := range p.group() {
		b.DeleteRange(prefixBytes(p.prefix), prefixBytes(p.prefix+1))
		b.Delete(positionKey(p.prefix))
	}
	if err := p.txn.db.engine.Apply(&b); err != nil {
		return p.fail("wipe", err)
	}
	for _, p := range p.group() {
		p.forget()
		p.pos, p.stored = startPosition, startPosition
	}
	return nil
}
