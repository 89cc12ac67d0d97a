package dsl

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/thalweg/thalweg/internal/quirk"
	"github.com/thalweg/thalweg/processor"
	"github.com/thalweg/thalweg/serde"
	"github.com/thalweg/thalweg/state"
	"github.com/thalweg/thalweg/topology"
)

// loneRecords are the records of a left or outer join of streams that have met
// no other yet. Rows and values are those of Kafka Streams:
//
//	int64 time | side (1 left, 0 right) | key → a list, with lengths, of side | value
//
// so that a scan visits them by time, right before left, then by key.
type loneRecords struct {
	st   *state.KV[[]byte, []byte]
	time *joinTime
	// keepLeft and keepRight are for how long after its time a record may still
	// meet others.
	keepLeft, keepRight int64
	early               bool // as quirk.EarlyUnmatched
	result              func(c *processor.Context, ts int64, left bool, key, value []byte) error
	name                string
	row, list           []byte
}

// newLoneRecords makes a side's access to them; nil in an inner join.
func newLoneRecords[K, V, VO, VR any](b *Builder, j *streamJoin[K, V, VO, VR], w *topology.Wiring, t *joinTime, next processor.Node[K, VR]) *loneRecords {
	if j.lone == nil {
		return nil
	}
	ks, vl, vr := serde.ForTask(j.ks), serde.ForTask(j.vl), serde.ForTask(j.vr)
	grace := j.w.Grace.Milliseconds()
	return &loneRecords{
		st: j.lone.In(w.Context), time: t, name: j.name, early: b.quirks.Has(quirk.EarlyUnmatched),
		keepLeft: j.w.After.Milliseconds() + grace, keepRight: j.w.Before.Milliseconds() + grace,
		result: func(c *processor.Context, ts int64, left bool, key, value []byte) error {
			var k K
			var l Maybe[V]
			var r Maybe[VO]
			err := ks.Decode(key, &k)
			if err == nil && left {
				l.OK = true
				err = vl.Decode(value, &l.Value)
			} else if err == nil {
				r.OK = true
				err = vr.Decode(value, &r.Value)
			}
			if err != nil {
				return c.Broken(j.name, err)
			}
			res, err := j.call(c, k, l, r)
			if err != nil {
				return abandon(c, j.name, k, nil, err)
			}
			return forwardAt(c, next, k, res, j.isNull, ts)
		},
	}
}

func (l *loneRecords) rowOf(ts int64, left bool, key []byte) []byte {
	l.row = binary.BigEndian.AppendUint64(l.row[:0], uint64(ts))
	l.row = append(l.row, sideByte(left))
	l.row = append(l.row, key...)
	return l.row
}

func sideByte(left bool) byte {
	if left {
		return 1
	}
	return 0
}

// add keeps a record, behind those of the same time, side and key.
func (l *loneRecords) add(ts int64, left bool, key, value []byte) error {
	row := l.rowOf(ts, left, key)
	list, ok, err := l.st.Get(row)
	if err != nil {
		return err
	}
	if !ok {
		l.list = append(l.list[:0], 1, 0, 0, 0, 0)
	} else {
		l.list = append(l.list[:0], list...)
	}
	binary.BigEndian.PutUint32(l.list[1:], binary.BigEndian.Uint32(l.list[1:])+1)
	l.list = binary.BigEndian.AppendUint32(l.list, uint32(len(value)+1))
	l.list = append(append(l.list, sideByte(left)), value...)
	return l.st.Put(row, l.list)
}

// remove forgets the records of a time, side and key: one of them has met
// another.
func (l *loneRecords) remove(ts int64, left bool, key []byte) error {
	row := l.rowOf(ts, left, key)
	if _, ok, err := l.st.Get(row); err != nil || !ok {
		return err
	}
	return l.st.Delete(row)
}

// emit makes results of the records that can meet no other any more. keep is
// that of the side whose record moved the time.
func (l *loneRecords) emit(c *processor.Context, keep int64) error {
	t := l.time
	if !l.early {
		keep = min(keep, l.keepLeft, l.keepRight)
	}
	if t.min != math.MaxInt64 && t.min+keep >= t.now {
		return nil
	}
	now := c.WallClock()
	if now < t.next {
		return nil
	}
	t.next = now + c.EmitInterval()
	t.min = math.MaxInt64
	openLeft, openRight := false, false
	for e, err := range l.st.All() {
		if err != nil {
			return c.Broken(l.name, err)
		}
		if len(e.Key) < 9 || len(e.Value) < 5 {
			return c.Broken(l.name, fmt.Errorf("dsl: pending record: %w", serde.ErrMalformed))
		}
		ts, left := int64(binary.BigEndian.Uint64(e.Key)), e.Key[8] == 1
		if l.early {
			t.min = ts
		}
		if openLeft && openRight {
			return nil
		}
		keep := l.keepRight
		if left {
			keep = l.keepLeft
		}
		if ts+keep >= t.now {
			t.min = min(t.min, ts)
			openLeft, openRight = openLeft || left, openRight || !left
			if openLeft && openRight && binary.BigEndian.Uint32(e.Value[1:]) > 1 {
				return nil // at the next record of the list
			}
			continue
		}
		for list := e.Value[5:]; len(list) >= 5; {
			n := int(binary.BigEndian.Uint32(list))
			if n < 1 || n > len(list)-4 {
				return c.Broken(l.name, fmt.Errorf("dsl: pending record: %w", serde.ErrMalformed))
			}
			if err := l.result(c, ts, left, e.Key[9:], list[5:4+n]); err != nil {
				return err
			}
			list = list[4+n:]
		}
		if err := l.st.Delete(e.Key); err != nil {
			return c.Broken(l.name, err)
		}
	}
	return nil
}
