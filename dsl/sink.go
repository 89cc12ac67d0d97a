package dsl

import (
	"github.com/thalweg/thalweg/processor"
	"github.com/thalweg/thalweg/topology"
)

// To writes the stream to a topic.
func (s Stream[K, V]) To[_ lazy](t topology.Topic[K, V], opts ...Option) {
	s.b.t.AddSink(s.b.name(operatorOf(opts).name, "to:"+t.Name, s.p.Node()), t, s.p)
}

// ToFunc writes each record to the topic that choose returns. t gives the
// serdes and the partitioner; its name is not used. The topics must exist: they
// are not made by the application. An error goes to the failure handler.
func (s Stream[K, V]) ToFunc[_ lazy](t topology.Topic[K, V], choose func(*processor.Context, processor.Record[K, V]) (string, error), opts ...Option) {
	s.b.t.AddSinkFunc(s.b.name(operatorOf(opts).name, "to", s.p.Node()), t, choose, s.p)
}
