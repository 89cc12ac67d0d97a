package dsl

import (
	"fmt"

	"github.com/thalweg/thalweg/internal/murmur2"
	"github.com/thalweg/thalweg/processor"
	"github.com/thalweg/thalweg/serde"
	"github.com/thalweg/thalweg/windowing"
)

// placement samples whether an operator keeps the promise of KeepsPartition: of
// each thousand records or so, the new key of one must belong to the partition in
// which the record lies.
//
// Where records lie is up to those who write the input. A record whose old key
// does not belong to its partition either shows that they do not go by the hash
// of the key, and says nothing.
type placement[K, KR any] struct {
	name string
	ks   serde.Serde[K]
	krs  serde.Serde[KR]
	null func(KR) bool
	seen uint32
}

// sampled is a mask: one record in 1024, the first among them.
const sampled = 1<<10 - 1

// placementFor is the sampling of a node in a task; nil where there is no promise
// to look at, or nothing known to look at it with.
func placementFor[K, V, KR any](s Stream[K, V], name string, opts []Option) *placement[K, KR] {
	if !operatorOf(opts).keepsPart {
		return nil
	}
	for _, src := range s.srcs {
		if s.b.placed[src] {
			return nil
		}
	}
	ks, err := s.ks, error(nil)
	if ks == nil {
		if ks, err = s.b.serdes.For[K](); err != nil {
			return nil
		}
	}
	krs, err := s.b.serdes.For[KR]()
	if err != nil {
		return nil
	}
	return &placement[K, KR]{name: name, ks: serde.ForTask(ks), krs: serde.ForTask(krs), null: serde.NullTest(krs)}
}

// check looks at the record at hand, whose key k became l. A broken promise is
// no failure of a record: it has put rows where nobody finds them.
func (p *placement[K, KR]) check(c *processor.Context, k K, l KR) error {
	if p.seen++; p.seen&sampled != 1 {
		return nil
	}
	f := c.Frame()
	if f.NullKey || f.Topic == "" || !present(l, p.null) {
		return nil
	}
	n, err := c.Collector().PartitionsOf(f.Topic)
	if err != nil || n < 2 {
		return nil
	}
	was, ok := partitionOf(p.ks, k, n)
	if !ok || was != f.Partition {
		return nil
	}
	if now, ok := partitionOf(p.krs, l, n); ok && now != f.Partition {
		return c.Broken(p.name, fmt.Errorf("dsl: KeepsPartition is promised, but the key %v of partition %d has become %v, which belongs to partition %d of %d: leave the promise out, or declare the partitioner of topic %q with WithPartitioner",
			k, was, l, now, n, f.Topic))
	}
	return nil
}

// partitionOf is the partition of a key by the default partitioner. It fails
// where the serde does.
func partitionOf[K any](s serde.Serde[K], k K, n int32) (p int32, ok bool) {
	var err error
	defer processor.Recover(&err)
	b, err := s.Append(nil, k)
	if err != nil {
		return 0, false
	}
	if in, windowed := s.(windowing.InnerKey); windowed {
		b = in.InnerKey(b)
	}
	return murmur2.Partition(b, n), true
}
