package dsl

import (
	"github.com/thalweg/thalweg/processor"
	"github.com/thalweg/thalweg/serde"
	"github.com/thalweg/thalweg/topology"
)

// Table reads a topic as a table, and keeps it in a store. Records with a null
// key are dropped and counted; a null value deletes.
func (b *Builder) Table[K, V any](t topology.Topic[K, V], store string, opts ...StoreOption) Table[K, V] {
	s := storingOf(opts)
	s.as = store
	if store == "" {
		b.t.Fail("dsl: Table of topic %q needs the name of a store; TableOf does without", t.Name)
	}
	return b.table(t, s)
}

// TableOf is Table without a store, as long as nothing below needs one; then it
// has one called after the topic. Without a store its changes have no old
// values, and deletions of unknown keys flow on.
func (b *Builder) TableOf[K, V any](t topology.Topic[K, V], opts ...StoreOption) Table[K, V] {
	return b.table(t, storingOf(opts))
}

func (b *Builder) table[K, V any](t topology.Topic[K, V], s *storing) Table[K, V] {
	b.tableOf[t.Name] = true
	if _, ok := b.sources[t.Name]; ok {
		b.t.Fail("dsl: topic %q is read as a stream and as a table: use ToTable", t.Name)
	}
	base := s.operator.name
	if base == "" {
		base = t.Name
	}
	src := b.t.AddSource(b.name("", base+"-source", -1), t)
	b.placed[src.Node()] = t.Partitioned()
	tb := tableFrom(b, b.name(s.operator.name, base+"-table", -1), "table-source", src, t.Key, t.Value, []int{src.Node()}, s, t.Name)
	return tb
}

// tableFrom makes a table of a stream of updates. Its store, if none is named,
// is made on demand and called fallback; without a fallback that is a mistake.
func tableFrom[K, V any](b *Builder, name, op string, in *topology.Port[K, V], ks serde.Serde[K], vs serde.Serde[V], srcs []int, s *storing, fallback string) Table[K, V] {
	n := &tableNode[K, V]{ks: ks, vs: vs, srcs: srcs, grace: -1}
	var open func(*topology.Wiring) tableStore[K, V]
	n.p = topology.Attach(b.t, topology.Spec{Name: name, Op: op}, func(w *topology.Wiring, id int, out *topology.Port[K, Change[V]]) processor.Node[K, V] {
		return &tableSourceNode[K, V]{newStored(w, id, n, open, out)}
	}, in)
	id := n.p.Node()
	n.materialise = func() {
		if fallback == "" {
			b.t.Fail("dsl: table %q is read by another operator: give it the name of a store", name)
		}
		open = storeFor(b, n, storeName(fallback), s, id)
		b.reuseSource(n.store, fallback, op)
	}
	if s.as != "" {
		open = storeFor(b, n, s.as, s, id)
		b.reuseSource(n.store, fallback, op)
	}
	if s.as == "" && s.expire != 0 {
		n.materialise()
	}
	n.askOld = func(force bool) bool {
		if n.store == "" && force {
			n.materialise()
		}
		n.sendOld = n.sendOld || n.store != ""
		return n.sendOld
	}
	return Table[K, V]{b, n}
}

// reuseSource makes the source topic the changelog of a source table's store,
// if that optimisation is on.
func (b *Builder) reuseSource(store, topic, op string) {
	if op != "table-source" || b.optimise&ReuseSourceTopics == 0 {
		return
	}
	if s := b.t.Store(store); s != nil {
		s.SourceTopic, s.NoChangelog = topic, true
	}
}

// ToTable makes a table of a stream: each record is an update of its key, a
// null value deletes. After a change of keys the stream goes through a
// repartition topic called after the store, so that one needs a name then; so
// does one that another operator reads.
func (s Stream[K, V]) ToTable[_ lazy](store string, opts ...StoreOption) Table[K, V] {
	st := storingOf(opts)
	st.as = store
	if s.rekeyed {
		name := store
		if name == "" {
			s.b.t.Fail("dsl: ToTable below %q follows a change of keys: it needs the name of a store, for the repartition topic; or put Repartition in front", s.b.t.Node(s.p.Node()).Name)
			name = "unnamed"
		}
		s = s.repartition(name, &repartition{})
	}
	name := s.b.name(st.operator.name, "to-table", s.p.Node())
	return tableFrom(s.b, name, "to-table", s.p, s.ks, s.vs, s.srcs, st, store)
}

type tableSourceNode[K, V any] struct{ stored[K, V] }

func (n *tableSourceNode[K, V]) Process(c *processor.Context, k K, v V) error {
	f := c.Frame()
	if f.NullKey {
		c.Drop(processor.DropNullKey)
		return nil
	}
	ch := Change[V]{New: v, HasNew: !f.NullValue}
	if n.st != nil && n.sendOld && !n.cached {
		var err error
		if ch.Old, _, ch.HasOld, err = n.st.get(k); err != nil {
			return c.Broken(n.name, err)
		}
	}
	// The frame's null flag is about the stream's value: table nodes go by the
	// change.
	was := f.NullValue
	f.NullValue = false
	err := n.set(c, k, ch, f.Timestamp)
	f.NullValue = was
	return err
}
