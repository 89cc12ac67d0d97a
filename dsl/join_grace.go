package dsl

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/thalweg/thalweg/processor"
	"github.com/thalweg/thalweg/serde"
	"github.com/thalweg/thalweg/state"
)

// graceNode holds the records of a stream back before they are joined with a
// versioned table. (KIP-923)
//
// Rows and values are those of Kafka Streams:
//
//	00 | int64 time | key | int32 number → bufferValue with only new | int64 0
//
// so that a scan gives the order of time, key, arrival. The buffer's stream time
// is that of the records put into it; those older than it less the grace are
// joined at once.
type graceNode[K, V, VO, VR any] struct {
	*joinTableNode[K, V, VO, VR]
	st       *state.KV[[]byte, []byte]
	grace    int64
	ks       serde.Serde[K]
	vs       serde.Serde[V]
	observed int64 // stream time of the buffer
	earliest int64 // time of the first row; largest: there is none
	number   uint32
	loaded   bool
	row, val []byte
	vb       []byte
}

// load finds out what the buffer holds from before.
func (n *graceNode[K, V, VO, VR]) load() error {
	n.loaded, n.earliest = true, math.MaxInt64
	for e, err := range n.st.All() {
		if err != nil {
			return err
		}
		if len(e.Key) < 13 {
			return fmt.Errorf("dsl: join buffer: %w", serde.ErrMalformed)
		}
		ts := int64(binary.BigEndian.Uint64(e.Key[1:]))
		n.earliest, n.observed = min(n.earliest, ts), max(n.observed, ts)
		n.number = max(n.number, binary.BigEndian.Uint32(e.Key[len(e.Key)-4:]))
	}
	return nil
}

func (n *graceNode[K, V, VO, VR]) ready(c *processor.Context) error {
	if n.loaded {
		return nil
	}
	return c.Broken(n.name, n.load())
}

// advance joins what has waited until ts.
func (n *graceNode[K, V, VO, VR]) advance(c *processor.Context, ts int64) error {
	if err := n.ready(c); err != nil {
		return err
	}
	n.observed = max(n.observed, ts)
	return n.emit(c)
}

func (n *graceNode[K, V, VO, VR]) Process(c *processor.Context, k K, v V) error {
	f := c.Frame()
	if err := n.ready(c); err != nil {
		return err
	}
	if f.NullKey || f.NullValue || f.Timestamp < n.observed-n.grace {
		return n.joinTableNode.Process(c, k, v)
	}
	if err := n.encode(f, k, v); err != nil {
		return c.Fail(processor.StageEncode, n.name, k, v, err)
	}
	if err := n.st.Put(n.row, n.val); err != nil {
		return c.Broken(n.name, err)
	}
	n.observed, n.earliest = max(n.observed, f.Timestamp), min(n.earliest, f.Timestamp)
	if n.earliest > n.observed-n.grace {
		return nil
	}
	return n.emit(c)
}

func (n *graceNode[K, V, VO, VR]) encode(f *processor.Frame, k K, v V) (err error) {
	defer processor.Recover(&err)
	n.number++
	n.row = append(n.row[:0], 0)
	n.row = binary.BigEndian.AppendUint64(n.row, uint64(f.Timestamp))
	if n.row, err = n.ks.Append(n.row, k); err != nil {
		return err
	}
	n.row = binary.BigEndian.AppendUint32(n.row, n.number)
	if n.vb, err = n.vs.Append(n.vb[:0], v); err != nil {
		return err
	}
	b := bufferValue{rec: state.Record{Topic: f.Topic, Partition: f.Partition, Offset: f.Offset, Timestamp: f.Timestamp, Headers: f.Headers}, new: n.vb}
	if b.new == nil {
		b.new = []byte{}
	}
	n.val = append(b.append(n.val[:0]), 0, 0, 0, 0, 0, 0, 0, 0)
	return nil
}

// emit joins the records that have waited long enough.
func (n *graceNode[K, V, VO, VR]) emit(c *processor.Context) error {
	n.earliest = math.MaxInt64
	for e, err := range n.st.All() {
		if err != nil {
			return c.Broken(n.name, err)
		}
		ts := int64(binary.BigEndian.Uint64(e.Key[1:]))
		if ts > n.observed-n.grace {
			n.earliest = ts
			return nil
		}
		var b bufferValue
		var k K
		var v V
		if _, err = b.decode(e.Value); err == nil {
			if err = n.ks.Decode(e.Key[9:len(e.Key)-4], &k); err == nil {
				err = n.vs.Decode(b.new, &v)
			}
		}
		if err == nil {
			err = n.st.Delete(e.Key)
		}
		if err != nil {
			return c.Broken(n.name, err)
		}
		if err := forwardUnder(c, processor.Node[K, V](n.joinTableNode), k, v, &b.rec); err != nil {
			return err
		}
	}
	return nil
}
