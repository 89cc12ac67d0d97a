package state

import "bytes"

// merged shows the overlay's entries over the engine's rows, both as they were
// when it was made.
type merged struct {
	o       *overlay
	below   Iterator
	reverse bool
	lo, hi  []byte
	visible uint32 // entries numbered up to this are seen
	dropped []span

	at       uint32 // the overlay's current entry + 1; 0 at its end
	belowOK  bool   // below has a current row
	started  bool
	useOver  bool // the current row is the overlay's
	finished bool
	over     []byte // key of entry at
}

func newMerged(p *Partition, below Iterator, lo, hi []byte, reverse bool) *merged {
	p.over.order()
	p.over.scans++
	m := &merged{
		o: p.over, below: below, reverse: reverse, lo: bytes.Clone(lo),
		visible: uint32(len(p.over.entries)), dropped: p.dropped[:len(p.dropped):len(p.dropped)],
	}
	if hi != nil {
		m.hi = append([]byte{}, hi...)
	}
	return m
}

func (m *merged) Next() bool {
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
			if c = bytes.Compare(m.over, m.below.Key()); m.reverse {
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
func (m *merged) nextBelow() {
	for m.belowOK = m.below.Next(); m.belowOK; m.belowOK = m.below.Next() {
		key := m.below.Key()
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
func (m *merged) seek() {
	o := m.o
	if !m.reverse {
		m.settle(*o.forward(o.before(m.lo), 0))
		return
	}
	last := o.tail
	if m.hi != nil {
		last = o.before(m.hi)
	}
	m.settle(last)
}

// settle takes, at the key of entry n or beyond, the newest visible entry of the
// first key that has one, and ends the overlay's part behind the range.
func (m *merged) settle(n uint32) {
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
	if m.reverse && bytes.Compare(m.over, m.lo) < 0 || !m.reverse && m.hi != nil && bytes.Compare(m.over, m.hi) >= 0 {
		m.at = 0
	}
}

// settleBack walks back over the entries of one key, which lie newest first, and
// on to the key before when none of them is visible.
func (m *merged) settleBack(n uint32) uint32 {
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
func (m *merged) stepOver() {
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

func (m *merged) Key() []byte {
	if m.useOver {
		return m.over
	}
	return m.below.Key()
}

func (m *merged) Value() []byte {
	if m.useOver {
		return m.o.valueOf(&m.o.entries[m.at-1])
	}
	return m.below.Value()
}

func (m *merged) Err() error { return m.below.Err() }

func (m *merged) Close() error {
	if m.o == nil {
		return nil
	}
	m.o.scans--
	m.o, m.finished = nil, true
	return m.below.Close()
}
