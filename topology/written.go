package topology

import "github.com/thalweg/thalweg/processor"

// Stores that one processor writes, which gets all records of a topic, and that
// others only read. The topic is what they are restored from.

// AddGlobalStore declares a store that every process keeps whole: make's
// processor, which is the only writer, gets all records of the topic. Every
// processor may read the store.
func (b *Builder) AddGlobalStore[P processor.Processor[K, V, KO, VO], K, V, KO, VO any](h Declared, name string, t Topic[K, V], make func() P) {
	s := b.written(h, name, t.Name)
	s.Global = true
	src := b.source(Node{Name: name + "-source", Op: "global-source", Global: true}, []Topic[K, V]{t})
	attachUser(b, Spec{Name: name, Op: "global-store"}, make, src)
	id := b.names[name]
	n := b.nodes[id]
	n.Global = true
	n.Stores = []string{s.Name}
	s.Nodes = append(s.Nodes, id)
}

// AddReadOnlyStore declares a store whose changelog is a topic that others write
// (KIP-813): make's processor, which is the only writer, gets the records of the
// task's partition, and the store is restored from the topic as it is. So the
// processor must store the records as they are: Kafka Streams' contract too.
// The topic is read from its beginning. Processors that the store is connected
// to may read it.
func (b *Builder) AddReadOnlyStore[P processor.Processor[K, V, KO, VO], K, V, KO, VO any](h Declared, name string, t Topic[K, V], make func() P) {
	if t.reset != (Reset{}) && t.reset.Policy != ResetEarliest {
		b.Fail("topology: read-only store %q: its topic %q is its changelog, which is read from the beginning: no other Reset is possible", h.StoreName(), t.Name)
	}
	t.reset = Reset{Policy: ResetEarliest}
	s := b.written(h, name, t.Name)
	src := b.source(Node{Name: name + "-source", Op: "source"}, []Topic[K, V]{t})
	attachUser(b, Spec{Name: name, Op: "read-only-store", Stores: []string{s.Name}}, make, src)
}

// written declares a store that the processor alone writes.
func (b *Builder) written(h Declared, processor, topic string) *Store {
	if s := b.byStore[h.StoreName()]; s != nil {
		b.Fail("topology: store %q is declared already: %q cannot be its only writer", s.Name, processor)
	}
	s := b.AddStore(h)
	s.Writer, s.NoChangelog, s.SourceTopic = processor, true, topic
	return s
}
