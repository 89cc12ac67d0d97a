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
	partitioner any  // func(processor.Record[K, V], int32) int32, checked when it is used
	keepNull    bool // decided in Build: someone below wants null keys
	explicit    bool // asked for by Repartition: it is never merged with others
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
	return PartitionByRecord(func(r processor.Record[K, V], n int32) int32 { return f(r.Key, r.Value, n) })
}

// PartitionByRecord is PartitionBy for a function that sees the whole record,
// its timestamp and headers too. It must not change the headers.
func PartitionByRecord[K, V any](f func(r processor.Record[K, V], n int32) int32) RepartitionOption {
	return partitionerOption{f}
}

// Repartition sends the stream through an internal topic, called name and
// "-repartition", so that records with one key are in one partition. Records
// with a null key are left out, unless a left or outer join is below.
func (s Stream[K, V]) Repartition[_ lazy](name string, opts ...RepartitionOption) Stream[K, V] {
	r := &repartition{explicit: true}
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

func (s Stream[K, V]) repartition[_ lazy](name string, r *repartition) Stream[K, V] {
	topic := repartitionTopic(name)
	ks := s.b.serdeFor(s.ks, fmt.Sprintf("key of topic %q", topic))
	vs := s.b.serdeFor(s.vs, fmt.Sprintf("value of topic %q", topic))
	t := topology.NewTopic(topic, ks, vs).OnInvalidTime(topology.FailInvalidTime)
	if r.partitioner != nil {
		f, ok := r.partitioner.(func(processor.Record[K, V], int32) int32)
		if !ok {
			s.b.t.Fail("dsl: repartition %q: the partitioner has the types of %T", name, r.partitioner)
		}
		t = t.WithRecordPartitioner(f)
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
	b.placed[r.source] = t.Partitioned()
	b.reparts = append(b.reparts, r)
	if s.change != nil && !r.explicit {
		s.change.reqs = append(s.change.reqs, topology.Repartitioned[K, V]{From: s.p, To: p, Filter: filter.Node(), Sink: r.sink})
	}
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

// changer is the operator that changed the keys of a stream, and the
// repartition topics that the streams below it go through while their records
// are still the same.
type changer struct {
	reqs  []any // topology.Repartitioned[K, V] of the changer's types
	merge func(reqs []any)
}

// newChanger makes the node of s the one that changed its keys.
func newChanger[K, V any](s Stream[K, V]) *changer {
	c := &changer{merge: func(reqs []any) {
		all := make([]topology.Repartitioned[K, V], len(reqs))
		for i, r := range reqs {
			all[i] = r.(topology.Repartitioned[K, V])
		}
		topology.MergeRepartitions(s.p, all)
	}}
	s.b.changers = append(s.b.changers, c)
	return c
}

// mergeRepartitions lets the streams below one change of keys share a topic.
func (b *Builder) mergeRepartitions() {
	if b.optimise&MergeRepartitions == 0 {
		return
	}
	for _, c := range b.changers {
		if len(c.reqs) > 0 {
			c.merge(c.reqs)
		}
	}
}
