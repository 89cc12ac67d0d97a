package dsl

import (
	"fmt"

	"github.com/thalweg/thalweg/processor"
	"github.com/thalweg/thalweg/topology"
)

// RepartitionOption changes a repartition topic.
type RepartitionOption interface{ repartition(*repartition) }

// repartition is one internal topic that a stream goes through.
type repartition struct {
	nodeName    string
	partitions  int32
	partitioner any  // func(K, V, int32) int32, checked when it is used
	keepNull    bool // decided in Build: someone below wants null keys
	sink        int
	source      int
}

type partitionsOption int32

func (n partitionsOption) repartition(r *repartition) { r.partitions = int32(n) }

// Partitions gives a repartition topic a number of partitions. Otherwise it
// gets as many as the largest input has.
func Partitions(n int32) RepartitionOption { return partitionsOption(n) }

type partitionerOption struct{ f any }

func (p partitionerOption) repartition(r *repartition) { r.partitioner = p.f }

// PartitionBy chooses the partitions of a repartition topic. The types must be
// those of the stream, which Build checks.
func PartitionBy[K, V any](f func(k K, v V, n int32) int32) RepartitionOption {
	return partitionerOption{f}
}

// Repartition sends the stream through an internal topic, called name and
// "-repartition", so that records with one key are in one partition. Records
// with a null key are left out, unless a left or outer join is below.
func (s Stream[K, V]) Repartition(name string, opts ...RepartitionOption) Stream[K, V] {
	r := &repartition{}
	for _, o := range opts {
		o.repartition(r)
	}
	if name == "" {
		s.b.t.Fail("dsl: Repartition below %q needs a name: it names a topic", s.b.t.Node(s.p.Node()).Name)
		name = "unnamed"
	}
	return s.repartition(name, r)
}

func repartitionTopic(name string) string { return name + "-repartition" }

func (s Stream[K, V]) repartition(name string, r *repartition) Stream[K, V] {
	topic := repartitionTopic(name)
	ks := s.b.serdeFor(s.ks, fmt.Sprintf("key of topic %q", topic))
	vs := s.b.serdeFor(s.vs, fmt.Sprintf("value of topic %q", topic))
	t := topology.NewTopic(topic, ks, vs).OnInvalidTime(topology.FailInvalidTime)
	if r.partitioner != nil {
		f, ok := r.partitioner.(func(K, V, int32) int32)
		if !ok {
			s.b.t.Fail("dsl: repartition %q: the partitioner has the types of %T", name, r.partitioner)
		}
		t = t.WithPartitioner(f)
	}
	b := s.b
	filter := topology.Attach(b.t, topology.Spec{Name: b.name("", topic+"-filter", -1), Op: "not-null-key"}, func(w *topology.Wiring, _ int, out *topology.Port[K, V]) processor.Node[K, V] {
		if r.keepNull {
			return out.Next(w)
		}
		return &keyedNode[K, V]{out.Next(w)}
	}, s.p)
	sink := b.name("", topic+"-sink", -1)
	b.t.AddInternalSink(sink, t, filter)
	r.sink = filter.Builder().Node(filter.Node()).Children[0]
	src := r.nodeName
	if src == "" {
		src = topic + "-source"
	}
	p := b.t.AddInternalSource(b.name("", src, -1), t, r.partitions)
	r.source = p.Node()
	b.reparts = append(b.reparts, r)
	return Stream[K, V]{b: b, p: p, ks: ks, vs: vs, srcs: []int{p.Node()}}
}

// keyedNode leaves out records with a null key.
type keyedNode[K, V any] struct{ next processor.Node[K, V] }

func (n *keyedNode[K, V]) Process(c *processor.Context, k K, v V) error {
	if c.Frame().NullKey {
		return nil
	}
	return n.next.Process(c, k, v)
}

// changer remembers the operator that changed the keys of a stream, for the
// merging of the repartition topics below it.
type changer struct {
	valuesChanged bool
}

func newChanger[K, V any](Stream[K, V]) *changer { return &changer{} }

func (c *changer) valueChange() *changer {
	if c == nil {
		return nil
	}
	return &changer{valuesChanged: true}
}

func (b *Builder) mergeRepartitions() {}
