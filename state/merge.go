package state

import (
	"bytes"
	"encoding/binary"
)

// scan is an iterator of a partition: the engine's rows without their prefix, and
// over them the overlay's entries, both as they were when it was made. Scans are
// kept by their partition and used again.
type scan struct {
	p       *Partition
	o       *overlay // nil: only the engine's rows
	below   Iterator
	reverse bool
	from    []byte // prefix | lo
	to      []byte // prefix | hi, or the next prefix
	bounded bool   // there is a hi
	visible uint32 // entries numbered up to this are seen
	dropped []span

	at       uint32 // the overlay's current entry + 1; 0 at its end
	belowOK  bool   // below has a current row
	started  bool
	useOver  bool // the current row is the overlay's
	finished bool
	over     []byte // key of entry at
}

// newScan takes a scan that is done with, or makes one.
func (p *Partition) newScan(lo, hi []byte, reverse bool) *scan {
	var m *scan
	if n := len(p.scans); n > 0 {
		m, p.scans = p.scans[n-1], p.scans[:n-1]
	} else {
		m = new(scan)
	}
	*m = scan{p: p, reverse: reverse, from: m.from[:0], to: m.to[:0], bounded: hi != nil}
	m.from = append(append(m.from, p.key[:prefixSize]...), lo...)
	if hi != nil {
		m.to = append(append(m.to, p.key[:prefixSize]...), hi...)
	} else {
		m.to = binary.BigEndian.AppendUint32(m.to, p.prefix+1)
	}
	m.below = p.reader.Scan(m.from, m.to, reverse)
	if p.over != nil && (p.over.live > 0 || len(p.dropped) > 0) {
		m.o = p.over
		m.o.order()
		m.o.scans++
		m.visible = uint32(len(m.o.entries))
		m.dropped = p.dropped[:len(p.dropped):len(p.dropped)]
	}
	return m
}

// Close gives the scan back to its partition; it must not be used afterwards.
func (m *scan) Close() error {
	if m.p == nil {
		return nil
	}
	err := m.below.Close()
	if m.o != nil {
		m.o.scans--
	}
	p := m.p
	m.p, m.o, m.below, m.over, m.finished = nil, nil, nil, nil, true
	p.scans = append(p.scans, m)
	return err
}

func (m *scan) Next() bool {
	if m.o == nil {
		return m.below != nil && m.below.Next()
	}
	if m.finished {
		return false
	}
	if !m.started {
		m.started = true
		m.seek()
		m.nextBelow()
	} else if m.useOver {
		m.stepOver()
	} else {
		m.nextBelow()
	}
	for {
		if m.at == 0 {
			m.useOver = false
			m.finished = !m.belowOK
			return m.belowOK
		}
		c := -1
		if m.belowOK {
			if c = bytes.Compare(m.over, m.below.Key()[prefixSize:]); m.reverse {
				c = -c
			}
		}
		switch {
		case c > 0:
			m.useOver = false
			return true
		case c == 0:
			m.nextBelow() // hidden by the overlay's entry
		}
		if m.o.entries[m.at-1].flags&flagDeleted == 0 {
			m.useOver = true
			return true
		}
		m.stepOver()
	}
}

// nextBelow moves to the engine's next row that is not in a deleted range.
func (m *scan) nextBelow() {
	for m.belowOK = m.below.Next(); m.belowOK; m.belowOK = m.below.Next() {
		key := m.below.Key()[prefixSize:]
		hidden := false
		for i := range m.dropped {
			hidden = hidden || m.dropped[i].has(key)
		}
		if !hidden {
			return
		}
	}
}

// seek moves to the overlay's first key of the range.
func (m *scan) seek() {
	o := m.o
	if !m.reverse {
		m.settle(*o.forward(o.before(m.from[prefixSize:]), 0))
		return
	}
	last := o.tail
	if m.bounded {
		last = o.before(m.to[prefixSize:])
	}
	m.settle(last)
}

// settle takes, at the key of entry n or beyond, the newest visible entry of the
// first key that has one, and ends the overlay's part behind the range.
func (m *scan) settle(n uint32) {
	o := m.o
	if !m.reverse {
		for n != 0 && n > m.visible {
			n = o.entries[n-1].next
		}
	} else {
		n = m.settleBack(n)
	}
	m.at = n
	if n == 0 {
		return
	}
	m.over = o.keyOf(&o.entries[n-1])
	if m.reverse && bytes.Compare(m.over, m.from[prefixSize:]) < 0 ||
		!m.reverse && m.bounded && bytes.Compare(m.over, m.to[prefixSize:]) >= 0 {
		m.at = 0
	}
}

// settleBack walks back over the entries of one key, which lie newest first, and
// on to the key before when none of them is visible.
func (m *scan) settleBack(n uint32) uint32 {
	o := m.o
	for n != 0 {
		key := o.keyOf(&o.entries[n-1])
		found := uint32(0)
		for n != 0 && bytes.Equal(o.keyOf(&o.entries[n-1]), key) {
			if n <= m.visible {
				found = n // the last one met is the newest
			}
			n = o.entries[n-1].prev
		}
		if found != 0 {
			return found
		}
	}
	return 0
}

// stepOver leaves the current key of the overlay.
func (m *scan) stepOver() {
	o := m.o
	n, key := m.at, m.over
	for n != 0 && bytes.Equal(o.keyOf(&o.entries[n-1]), key) {
		if m.reverse {
			n = o.entries[n-1].prev
		} else {
			n = o.entries[n-1].next
		}
	}
	m.settle(n)
}

func (m *scan) Key() []byte {
	if m.useOver {
		return m.over
	}
	return m.below.Key()[prefixSize:]
}

func (m *scan) Value() []byte {
	if m.useOver {
		return m.o.valueOf(&m.o.entries[m.at-1])
	}
	return m.below.Value()
}

func (m *scan) Err() error { return m.below.Err() }
