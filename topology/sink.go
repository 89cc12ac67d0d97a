package topology

import (
	"fmt"

	"github.com/thalweg/thalweg/internal/murmur2"
	"github.com/thalweg/thalweg/processor"
	"github.com/thalweg/thalweg/serde"
	"github.com/thalweg/thalweg/windowing"
)

// sink is the typed end of a chain: it encodes into two buffers of its own,
// which the collector copies from.
type sink[K, V any] struct {
	name   string
	topic  string
	choose func(*processor.Context, processor.Record[K, V]) (string, error) // nil: always topic
	ks     serde.Serde[K]
	vs     serde.Serde[V]
	inner  windowing.InnerKey // of windowed keys without another partitioner
	parts  partitioner[K, V]
	kb, vb []byte
	pb     []int32
}

func newSink[K, V any](name string, t Topic[K, V]) *sink[K, V] {
	s := &sink[K, V]{
		name: name, topic: t.Name, parts: t.partitioner,
		ks: serde.ForTask(t.Key), vs: serde.ForTask(t.Value),
	}
	if s.parts == nil {
		s.inner, _ = s.ks.(windowing.InnerKey)
	}
	return s
}

func (s *sink[K, V]) Process(c *processor.Context, k K, v V) error {
	f := c.Frame()
	topic := s.topic
	if s.choose != nil {
		var err error
		if topic, err = s.chosen(c, k, v); err != nil {
			return c.Fail(processor.StageProcess, s.name, k, v, err)
		}
	}
	if err := s.encode(f, k, v); err != nil {
		return c.Fail(processor.StageEncode, s.name, k, v, err)
	}
	kb, vb := s.kb, s.vb
	if f.NullKey {
		kb = nil
	}
	if f.NullValue {
		vb = nil
	}
	out := c.Collector()
	if s.parts == nil && (s.inner == nil || kb == nil) {
		return c.Broken(s.name, out.Send(topic, -1, kb, vb, f.Timestamp, f.Headers))
	}
	n, err := out.PartitionsOf(topic)
	if err == nil && n < 1 {
		err = fmt.Errorf("topology: topic %q has no partitions", topic)
	}
	if err != nil {
		return c.Broken(s.name, err)
	}
	if s.parts == nil {
		p := int32(murmur2.Sum(s.inner.InnerKey(kb))&0x7fffffff) % n
		return c.Broken(s.name, out.Send(topic, p, kb, vb, f.Timestamp, f.Headers))
	}
	if err := s.partition(recordOf(f, k, v), n); err != nil {
		return c.Fail(processor.StageProduce, s.name, k, v, err)
	}
	if len(s.pb) == 0 {
		c.Drop(processor.DropPartition)
		return nil
	}
	for _, p := range s.pb {
		if err := out.Send(topic, p, kb, vb, f.Timestamp, f.Headers); err != nil {
			return c.Broken(s.name, err)
		}
	}
	return nil
}

func (s *sink[K, V]) chosen(c *processor.Context, k K, v V) (topic string, err error) {
	defer processor.Recover(&err)
	topic, err = s.choose(c, recordOf(c.Frame(), k, v))
	if err == nil && topic == "" {
		err = fmt.Errorf("topology: sink %q: no topic was chosen", s.name)
	}
	return topic, err
}

func recordOf[K, V any](f *processor.Frame, k K, v V) processor.Record[K, V] {
	return processor.Record[K, V]{
		Key: k, Value: v, Timestamp: f.Timestamp, Headers: f.Headers, NullKey: f.NullKey, NullValue: f.NullValue,
	}
}

// encode is apart from Process to hold the recover of a serde's panic.
func (s *sink[K, V]) encode(f *processor.Frame, k K, v V) (err error) {
	defer processor.Recover(&err)
	if !f.NullKey {
		b, err := s.ks.Append(s.kb[:0], k)
		if err != nil {
			return fmt.Errorf("key: %w", err)
		}
		s.kb = notNil(b)
	}
	if !f.NullValue {
		b, err := s.vs.Append(s.vb[:0], v)
		if err != nil {
			return fmt.Errorf("value: %w", err)
		}
		s.vb = notNil(b)
	}
	return nil
}

// notNil keeps an empty encoding apart from a null.
func notNil(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

func (s *sink[K, V]) partition(r processor.Record[K, V], n int32) (err error) {
	defer processor.Recover(&err)
	s.pb = s.parts(s.pb[:0], r, n)
	for _, p := range s.pb {
		if p < 0 || p >= n {
			return fmt.Errorf("topology: sink %q: partition %d of topic %q, which has %d", s.name, p, s.topic, n)
		}
	}
	return nil
}
