package dsl

import (
	"github.com/thalweg/thalweg/internal/murmur3"
	"github.com/thalweg/thalweg/processor"
	"github.com/thalweg/thalweg/serde"
)

// fkResolveNode joins a response with the row that asked, if that is still the
// same.
type fkResolveNode[K, V, KO, VO, VR any] struct {
	j      *fkJoin[K, V, KO, VO]
	f      func(*processor.Context, K, V, Maybe[VO]) (VR, error)
	rows   getter[K, V]
	ks     serde.Serde[K]
	vs     serde.Serde[V]
	vos    serde.Serde[VO]
	vb     []byte
	isNull func(VR) bool
	next   processor.Node[K, VR]
	again  processor.Node[KO, subscription] // nil: every version is answered
}

func (n *fkResolveNode[K, V, KO, VO, VR]) Process(c *processor.Context, k K, r response) error {
	v, _, has, err := n.rows.get(k)
	if err != nil {
		return unread(c, n.j.name, k, v, err)
	}
	var now rowHash
	if has {
		if n.vb, err = n.vs.Append(n.vb[:0], v); err != nil {
			return c.Fail(processor.StageEncode, n.j.name, k, v, err)
		}
		now = rowHash{murmur3.Sum128(n.vb), true}
	}
	if now != r.hash {
		c.Drop(processor.DropStale)
		if n.again == nil || r.value != nil {
			return nil
		}
		return n.overtaken(c, k, Maybe[V]{v, has}, now)
	}
	var res Maybe[VR]
	if has && (n.j.left || r.value != nil) {
		if res.Value, err = n.call(c, k, v, r.value); err != nil {
			return c.Fail(processor.StageProcess, n.j.name, k, v, err)
		}
		res.OK = present(res.Value, n.isNull)
	}
	return n.forward(c, k, res)
}

// overtaken handles an answer of absence to an earlier version of a row of an
// inner join. If it had come in time it would have taken the result back. The
// present version may not be answered, because neither it nor the version before
// it had a foreign key, or because its key names no row and the version before
// had none or the same. So it is joined with nothing here where it has no key,
// and asked about again where it has.
func (n *fkResolveNode[K, V, KO, VO, VR]) overtaken(c *processor.Context, k K, row Maybe[V], hash rowHash) error {
	fk, key, err := n.question(k, row)
	if err != nil {
		return c.Fail(processor.StageProcess, n.j.name, k, row.Value, err)
	}
	if !fk.OK {
		return n.forward(c, k, Maybe[VR]{})
	}
	return n.again.Process(c, fk.Value, subscription{hash: hash, what: replyIfAbsent, key: key, partition: c.Frame().Partition})
}

// question finds the foreign key of a row, and its encoded primary key.
func (n *fkResolveNode[K, V, KO, VO, VR]) question(k K, row Maybe[V]) (fk Maybe[KO], key []byte, err error) {
	defer processor.Recover(&err)
	if row.OK {
		fk = n.j.foreign(k, row.Value)
	}
	if fk.OK {
		key, err = n.ks.Append([]byte{}, k)
	}
	return fk, key, err
}

func (n *fkResolveNode[K, V, KO, VO, VR]) forward(c *processor.Context, k K, res Maybe[VR]) error {
	f := c.Frame()
	was := f.NullValue
	f.NullValue = !res.OK
	err := n.next.Process(c, k, res.Value)
	f.NullValue = was
	return err
}

func (n *fkResolveNode[K, V, KO, VO, VR]) call(c *processor.Context, k K, v V, b []byte) (w VR, err error) {
	defer processor.Recover(&err)
	var o Maybe[VO]
	if b != nil {
		o.OK = true
		if err := n.vos.Decode(b, &o.Value); err != nil {
			return w, err
		}
	}
	return n.f(c, k, v, o)
}
