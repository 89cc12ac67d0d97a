package dsl

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/thalweg/thalweg/internal/murmur2"
	"github.com/thalweg/thalweg/internal/murmur3"
	"github.com/thalweg/thalweg/internal/null"
	"github.com/thalweg/thalweg/internal/quirk"
	"github.com/thalweg/thalweg/processor"
	"github.com/thalweg/thalweg/serde"
	"github.com/thalweg/thalweg/state"
	"github.com/thalweg/thalweg/topology"
)

// JoinOn joins each row with the row of another table that fk names: a foreign
// key. A row whose key is null, or for which fk returns false, has no result
// and is counted. Two internal topics and a store are called after name. (KIP-213)
//
// Rows are recognised by a hash of their encoded values, so the value serde of
// t must write equal values in equal bytes.
func (t Table[K, V]) JoinOn[KO, VO, VR any](name string, o Table[KO, VO], fk func(K, V) (KO, bool), f func(V, VO) VR, opts ...StoreOption) Table[K, VR] {
	return joinOn(t, o, name, false, fk, func(_ *processor.Context, _ K, v V, o Maybe[VO]) (VR, error) { return f(v, o.Value), nil }, opts)
}

// LeftJoinOn is JoinOn with a result for each row of t: one whose key names no
// row, or is null, is joined with nothing.
func (t Table[K, V]) LeftJoinOn[KO, VO, VR any](name string, o Table[KO, VO], fk func(K, V) (KO, bool), f func(V, Maybe[VO]) VR, opts ...StoreOption) Table[K, VR] {
	return joinOn(t, o, name, true, fk, func(_ *processor.Context, _ K, v V, o Maybe[VO]) (VR, error) { return f(v, o), nil }, opts)
}

// The way of an update. On the left it becomes a subscription, sent to where
// the other row lies:
//
//	left change → send → registration topic → receive, answer → response topic → resolve → result
//	                            right change → answer all subscribers ↗
//
// The right side remembers the subscriptions, so that its own changes reach
// everyone concerned. The left side accepts a response only if the row has not
// changed since: its value still has the hash that the subscription carried.
//
// Invariant: whatever was forwarded for a row, what is forwarded last is right
// for its latest version. A version with a row on the other side is always
// answered. One without is answered in a left join; in an inner join it may not
// be, but where a result has to be taken back an answer of absence is on its way
// to this version or to one before it: see overtaken.
func joinOn[K, V, KO, VO, VR any](t Table[K, V], o Table[KO, VO], name string, left bool, fk func(K, V) (KO, bool), f func(*processor.Context, K, V, Maybe[VO]) (VR, error), opts []StoreOption) Table[K, VR] {
	b, so := t.b, storingOf(opts)
	if name == "" {
		b.t.Fail("dsl: JoinOn of table %q needs a name: it names topics and a store", t.name())
		name = "unnamed"
	}
	for _, ask := range []func(bool) bool{t.n.askOld, o.n.askOld} {
		ask(true)
	}
	t.n.requireReadable()
	o.n.requireReadable()
	where := "join " + name
	j := &fkJoin[K, V, KO, VO]{
		name: name, left: left, fk: fk, keyNull: null.Test(o.n.ks),
		ks: b.serdeFor(t.n.ks, "key of "+where), vs: b.serdeFor(t.n.vs, "value of "+where),
		kos: b.serdeFor(o.n.ks, "foreign key of "+where), vos: b.serdeFor(o.n.vs, "foreign value of "+where),
		subs: state.Timestamped(name+"-subscription-store", serde.Bytes, serde.Bytes, append(so.opts, state.Uncached(), state.LogHeaders())...),
	}
	b.own(j.subs)

	sent := topology.Attach(b.t, topology.Spec{Name: name + "-subscription-registration", Op: "fk-send"}, j.send(t.n), t.n.p)
	register := topology.NewTopic(name+"-subscription-registration-topic", j.kos, serde.Serde[subscription](subscriptionSerde{})).OnInvalidTime(topology.FailInvalidTime)
	if part := partitionerFor[KO](b, so.otherPart, where+": PartitionForeign"); part != nil {
		register = register.WithRecordPartitioner(func(r processor.Record[KO, subscription], n int32) int32 { return part(r.Key, r.Headers, n) })
	}
	b.t.AddInternalSink(name+"-subscription-registration-sink", register, sent)
	registered := b.t.AddInternalSource(name+"-subscription-registration-source", register, 0)
	answered := topology.Attach(b.t, topology.Spec{Name: name + "-subscription-receive", Op: "fk-receive", Stores: append(slices.Clone(o.n.reads()), j.subs.StoreName())}, j.receive(b, o.n), registered)
	told := topology.Attach(b.t, topology.Spec{Name: name + "-foreign-join-subscription", Op: "fk-changed", Stores: []string{j.subs.StoreName()}}, j.changed(o.n), o.n.p)
	respond := topology.NewTopic(name+"-subscription-response-topic", serde.Bytes, serde.Serde[response](responseSerde{})).
		WithPartitioner(func(key []byte, r response, n int32) int32 {
			if r.partition >= 0 {
				return r.partition
			}
			return int32(murmur2.Sum(key)&0x7fffffff) % n
		})
	if part := partitionerFor[K](b, so.rowPart, where+": PartitionRows"); part != nil {
		respond = respond.WithRecordPartitions(func(dst []int32, r processor.Record[[]byte, response], n int32) []int32 {
			var k K
			if err := j.ks.Decode(r.Key, &k); err != nil {
				panic(fmt.Errorf("dsl: %s: primary key: %w", where, err)) // the sink's failure
			}
			return append(dst, part(k, r.Headers, n))
		})
	}
	b.t.AddInternalSink(name+"-subscription-response-sink", respond, answered, told)
	responses := topology.NewTopic(respond.Name, j.ks, respond.Value).OnInvalidTime(topology.FailInvalidTime)
	responded := b.t.AddInternalSource(name+"-subscription-response-source", responses, 0)
	b.t.Copartition(append([]int{registered.Node()}, o.n.srcs...)...)
	b.t.Copartition(append([]int{responded.Node()}, t.n.srcs...)...)

	isNull := null.Test[VR](nil)
	var again *topology.Port[KO, subscription] // nil in a left join
	joined := topology.Attach(b.t, topology.Spec{Name: name + "-subscription-response-resolver", Op: "fk-resolve", Stores: t.n.reads()}, func(w *topology.Wiring, _ int, out *topology.Port[K, VR]) processor.Node[K, response] {
		n := &fkResolveNode[K, V, KO, VO, VR]{
			j: j, f: f, rows: joinGetter(b, t.n, w), ks: serde.ForTask(j.ks), vs: serde.ForTask(j.vs), vos: serde.ForTask(j.vos),
			isNull: isNull, next: out.Next(w),
		}
		if again != nil {
			n.again = again.Next(w)
		}
		return n
	}, responded)
	if !left && !b.quirks.Has(quirk.StaleForeignJoins) {
		again = topology.Branch[KO, subscription](b.t, topology.Spec{Name: name + "-subscription-again", Op: "fk-again"}, joined.Node())
		b.t.AddInternalSink(name+"-subscription-again-sink", register, again)
	}
	return tableFrom(b, b.name(so.operator.name, name+"-result", -1), "fk-join", joined, t.n.ks, serde.Serde[VR](nil), t.n.srcs, so, name+"-result")
}

type fkJoin[K, V, KO, VO any] struct {
	name    string
	left    bool
	fk      func(K, V) (KO, bool)
	keyNull func(KO) bool
	ks      serde.Serde[K]
	vs      serde.Serde[V]
	kos     serde.Serde[KO]
	vos     serde.Serde[VO]
	subs    state.TimestampedHandle[[]byte, []byte]
}

// foreign is the foreign key of a row, if it has one.
func (j *fkJoin[K, V, KO, VO]) foreign(k K, v V) (fk Maybe[KO]) {
	fk.Value, fk.OK = j.fk(k, v)
	fk.OK = fk.OK && present(fk.Value, j.keyNull)
	return fk
}

func (j *fkJoin[K, V, KO, VO]) send(t *tableNode[K, V]) func(*topology.Wiring, int, *topology.Port[KO, subscription]) processor.Node[K, Change[V]] {
	return func(w *topology.Wiring, _ int, out *topology.Port[KO, subscription]) processor.Node[K, Change[V]] {
		return &fkSendNode[K, V, KO, VO]{
			j: j, versioned: t.versioned, ks: serde.ForTask(j.ks), vs: serde.ForTask(j.vs), kos: serde.ForTask(j.kos), next: out.Next(w),
		}
	}
}

// fkSendNode turns changes of the left table into subscriptions.
type fkSendNode[K, V, KO, VO any] struct {
	j         *fkJoin[K, V, KO, VO]
	versioned bool
	ks        serde.Serde[K]
	vs        serde.Serde[V]
	kos       serde.Serde[KO]
	vb        []byte
	fb        [2][]byte
	next      processor.Node[KO, subscription]
}

func (n *fkSendNode[K, V, KO, VO]) Process(c *processor.Context, k K, ch Change[V]) error {
	f := c.Frame()
	if f.NullKey {
		c.Drop(processor.DropNullKey)
		return nil
	}
	if n.versioned && ch.Stale {
		c.Drop(processor.DropStale)
		return nil
	}
	s := subscription{partition: f.Partition}
	was, now, same, err := n.prepare(k, ch, &s)
	if err != nil {
		return c.Fail(processor.StageProcess, n.j.name, k, ch.New, err)
	}
	if n.j.left {
		return n.sendLeft(c, ch, s, was, now, same)
	}
	return n.sendInner(c, ch, s, was, now, same)
}

// sendInner asks for an answer of absence where a result may have to be taken back:
// when the row loses its foreign key or gets another, or when the resolver has
// already acted on the row as it is now.
func (n *fkSendNode[K, V, KO, VO]) sendInner(c *processor.Context, ch Change[V], s subscription, was, now Maybe[KO], same bool) error {
	switch {
	case !now.OK:
		if ch.HasNew {
			c.Drop(processor.DropNullKey)
		}
		if ch.ReadAhead && !was.OK {
			return n.sendNowhere(c, s)
		}
		return n.send(c, was, s, deleteAndReply)
	case !was.OK || same:
		if ch.ReadAhead {
			return n.send(c, now, s, replyAlways)
		}
		return n.send(c, now, s, replyIfPresent)
	default:
		if err := n.send(c, was, s, deleteSilently); err != nil {
			return err
		}
		return n.send(c, now, s, replyAlways)
	}
}

func (n *fkSendNode[K, V, KO, VO]) sendLeft(c *processor.Context, ch Change[V], s subscription, was, now Maybe[KO], same bool) error {
	if !ch.HasNew && !ch.HasOld && !ch.ReadAhead {
		return nil
	}
	if was.OK && !(now.OK && same) {
		if err := n.send(c, was, s, deleteSilently); err != nil {
			return err
		}
	}
	if now.OK {
		return n.send(c, now, s, replyAlways)
	}
	return n.sendNowhere(c, s)
}

// sendNowhere asks any task of the other side, which finds no row.
func (n *fkSendNode[K, V, KO, VO]) sendNowhere(c *processor.Context, s subscription) error {
	var none KO
	f := c.Frame()
	f.NullKey = true
	s.what = replyAlways
	err := n.next.Process(c, none, s)
	f.NullKey = false
	return err
}

// send sends a subscription, if there is a key to send it to.
func (n *fkSendNode[K, V, KO, VO]) send(c *processor.Context, to Maybe[KO], s subscription, what instruction) error {
	if !to.OK {
		return nil
	}
	s.what = what
	return n.next.Process(c, to.Value, s)
}

// prepare finds the old and the new foreign key, and completes the
// subscription.
func (n *fkSendNode[K, V, KO, VO]) prepare(k K, ch Change[V], s *subscription) (was, now Maybe[KO], same bool, err error) {
	defer processor.Recover(&err)
	if ch.HasOld {
		was = n.j.foreign(k, ch.Old)
	}
	if ch.HasNew {
		now = n.j.foreign(k, ch.New)
		if n.vb, err = n.vs.Append(n.vb[:0], ch.New); err != nil {
			return was, now, false, err
		}
		s.hash = rowHash{murmur3.Sum128(n.vb), true}
	}
	if s.key, err = n.ks.Append([]byte{}, k); err != nil {
		return was, now, false, err
	}
	if was.OK && now.OK {
		for i, fk := range [2]KO{was.Value, now.Value} {
			if n.fb[i], err = n.kos.Append(n.fb[i][:0], fk); err != nil {
				return was, now, false, err
			}
		}
		same = bytes.Equal(n.fb[0], n.fb[1])
	}
	return was, now, same, nil
}

func (j *fkJoin[K, V, KO, VO]) receive(b *Builder, o *tableNode[KO, VO]) func(*topology.Wiring, int, *topology.Port[[]byte, response]) processor.Node[KO, subscription] {
	return func(w *topology.Wiring, _ int, out *topology.Port[[]byte, response]) processor.Node[KO, subscription] {
		return &fkReceiveNode[KO, VO]{
			name: j.name, rows: joinGetter(b, o, w), subs: j.subs.In(w.Context), kos: serde.ForTask(j.kos), vos: serde.ForTask(j.vos), next: out.Next(w),
		}
	}
}

// fkReceiveNode keeps subscriptions and answers them.
type fkReceiveNode[KO, VO any] struct {
	name   string
	rows   getter[KO, VO]
	subs   *state.TimestampedKV[[]byte, []byte]
	kos    serde.Serde[KO]
	vos    serde.Serde[VO]
	fb, kb []byte
	sb, vb []byte
	next   processor.Node[[]byte, response]
}

func (n *fkReceiveNode[KO, VO]) Process(c *processor.Context, fk KO, s subscription) error {
	f := c.Frame()
	if f.NullValue || f.NullKey && s.what != replyAlways {
		c.Drop(processor.DropNullKey)
		return nil
	}
	var row Maybe[VO]
	ts := f.Timestamp
	if !f.NullKey {
		if err := n.keep(fk, s, ts); err != nil {
			return c.Broken(n.name, err)
		}
		var at int64
		var err error
		if row.Value, at, row.OK, err = n.rows.get(fk); err != nil {
			return unread(c, n.name, fk, s, err)
		}
		if row.OK {
			ts = max(ts, at)
		}
	}
	r := response{hash: s.hash, partition: s.partition}
	switch {
	case s.what == deleteSilently, s.what == replyIfPresent && !row.OK, s.what == replyIfAbsent && row.OK:
		return nil
	case s.what != deleteAndReply && row.OK:
		var err error
		if n.vb, err = n.vos.Append(n.vb[:0], row.Value); err != nil {
			return c.Fail(processor.StageEncode, n.name, fk, row.Value, err)
		}
		r.value = n.vb
	}
	return forwardResponse(c, n.next, s.key, r, ts)
}

// keep remembers or forgets the subscription.
func (n *fkReceiveNode[KO, VO]) keep(fk KO, s subscription, ts int64) (err error) {
	if s.what == replyIfAbsent {
		return nil
	}
	if n.fb, err = n.kos.Append(n.fb[:0], fk); err != nil {
		return err
	}
	n.kb = appendSubscriptionKey(n.kb[:0], n.fb, s.key)
	if s.what == deleteSilently || s.what == deleteAndReply {
		return n.subs.Delete(n.kb)
	}
	if n.sb, err = (subscriptionSerde{}).Append(n.sb[:0], s); err != nil {
		return err
	}
	return n.subs.Put(n.kb, n.sb, ts)
}

func forwardResponse(c *processor.Context, next processor.Node[[]byte, response], key []byte, r response, ts int64) error {
	f := c.Frame()
	at, nk, nv := f.Timestamp, f.NullKey, f.NullValue
	f.Timestamp, f.NullKey, f.NullValue = ts, false, false
	err := next.Process(c, key, r)
	f.Timestamp, f.NullKey, f.NullValue = at, nk, nv
	return err
}

func (j *fkJoin[K, V, KO, VO]) changed(o *tableNode[KO, VO]) func(*topology.Wiring, int, *topology.Port[[]byte, response]) processor.Node[KO, Change[VO]] {
	return func(w *topology.Wiring, _ int, out *topology.Port[[]byte, response]) processor.Node[KO, Change[VO]] {
		return &fkChangedNode[KO, VO]{
			name: j.name, versioned: o.versioned, subs: j.subs.In(w.Context), kos: serde.ForTask(j.kos), vos: serde.ForTask(j.vos), next: out.Next(w),
		}
	}
}

// fkChangedNode tells all subscribers of a row that it has changed.
type fkChangedNode[KO, VO any] struct {
	name      string
	versioned bool
	subs      *state.TimestampedKV[[]byte, []byte]
	kos       serde.Serde[KO]
	vos       serde.Serde[VO]
	fb, vb    []byte
	next      processor.Node[[]byte, response]
}

func (n *fkChangedNode[KO, VO]) Process(c *processor.Context, fk KO, ch Change[VO]) error {
	f := c.Frame()
	if f.NullKey {
		c.Drop(processor.DropNullKey)
		return nil
	}
	if n.versioned && ch.Stale {
		c.Drop(processor.DropStale)
		return nil
	}
	var r response
	err := n.encode(fk, ch, &r)
	if err != nil {
		return c.Fail(processor.StageEncode, n.name, fk, ch.New, err)
	}
	prefix := appendSubscriptionKey(nil, n.fb, nil)
	for e, err := range n.subs.PrefixBytes(prefix) {
		if err != nil {
			return c.Broken(n.name, err)
		}
		var s subscription
		if err := (subscriptionSerde{}).Decode(e.Value, &s); err != nil {
			return c.Broken(n.name, fmt.Errorf("subscription store: %w", err))
		}
		r.hash, r.partition = s.hash, s.partition
		if err := forwardResponse(c, n.next, s.key, r, f.Timestamp); err != nil {
			return err
		}
	}
	return nil
}

func (n *fkChangedNode[KO, VO]) encode(fk KO, ch Change[VO], r *response) (err error) {
	defer processor.Recover(&err)
	if n.fb, err = n.kos.Append(n.fb[:0], fk); err != nil || !ch.HasNew {
		return err
	}
	n.vb, err = n.vos.Append(n.vb[:0], ch.New)
	r.value = n.vb
	return err
}
