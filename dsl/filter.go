package dsl

import (
	"fmt"
	"io"
	"sync"

	"github.com/thalweg/thalweg/processor"
	"github.com/thalweg/thalweg/topology"
)

// Filter keeps the records for which keep is true.
func (s Stream[K, V]) Filter[_ lazy](keep func(K, V) bool, opts ...Option) Stream[K, V] {
	return s.filter("filter", keep, false, opts)
}

// FilterNot drops the records for which drop is true.
func (s Stream[K, V]) FilterNot[_ lazy](drop func(K, V) bool, opts ...Option) Stream[K, V] {
	return s.filter("filter-not", drop, true, opts)
}

func (s Stream[K, V]) filter[_ lazy](op string, f func(K, V) bool, not bool, opts []Option) Stream[K, V] {
	return s.same(s.then(op, opts, func(_ *topology.Wiring, name string, next processor.Node[K, V]) processor.Node[K, V] {
		return &filterNode[K, V]{name: name, f: f, not: not, next: next}
	}))
}

type filterNode[K, V any] struct {
	name string
	f    func(K, V) bool
	not  bool
	next processor.Node[K, V]
}

func (n *filterNode[K, V]) Process(c *processor.Context, k K, v V) error {
	ok, err := n.call(k, v)
	if err != nil {
		return c.Fail(processor.StageProcess, n.name, k, v, err)
	}
	if ok == n.not {
		return nil
	}
	return n.next.Process(c, k, v)
}

func (n *filterNode[K, V]) call(k K, v V) (ok bool, err error) {
	defer processor.Recover(&err)
	return n.f(k, v), nil
}

// TryFilter is Filter for a function that may fail and that sees the whole
// record.
func (s Stream[K, V]) TryFilter[_ lazy](keep func(*processor.Context, processor.Record[K, V]) (bool, error), opts ...Option) Stream[K, V] {
	return s.same(s.then("filter", opts, func(_ *topology.Wiring, name string, next processor.Node[K, V]) processor.Node[K, V] {
		return &tryFilterNode[K, V]{name: name, f: keep, next: next}
	}))
}

type tryFilterNode[K, V any] struct {
	name string
	f    func(*processor.Context, processor.Record[K, V]) (bool, error)
	next processor.Node[K, V]
}

func (n *tryFilterNode[K, V]) Process(c *processor.Context, k K, v V) error {
	ok, err := n.call(c, k, v)
	if err != nil {
		return c.Fail(processor.StageProcess, n.name, k, v, err)
	}
	if !ok {
		return nil
	}
	return n.next.Process(c, k, v)
}

func (n *tryFilterNode[K, V]) call(c *processor.Context, k K, v V) (ok bool, err error) {
	defer processor.Recover(&err)
	return n.f(c, recordOf(c.Frame(), k, v))
}

// Peek calls f for each record, which then goes on unchanged.
func (s Stream[K, V]) Peek[_ lazy](f func(K, V), opts ...Option) Stream[K, V] {
	return s.same(s.then("peek", opts, func(_ *topology.Wiring, name string, next processor.Node[K, V]) processor.Node[K, V] {
		return &filterNode[K, V]{name: name, f: func(k K, v V) bool { f(k, v); return true }, next: next}
	}))
}

// TryPeek is Peek for a function that may fail and that sees the whole record. A
// record for which it fails goes no further.
func (s Stream[K, V]) TryPeek[_ lazy](f func(*processor.Context, processor.Record[K, V]) error, opts ...Option) Stream[K, V] {
	return s.same(s.then("peek", opts, func(_ *topology.Wiring, name string, next processor.Node[K, V]) processor.Node[K, V] {
		return &tryFilterNode[K, V]{name: name, f: func(c *processor.Context, r processor.Record[K, V]) (bool, error) {
			err := f(c, r)
			return err == nil, err
		}, next: next}
	}))
}

// ForEach calls f for each record and ends the stream there.
func (s Stream[K, V]) ForEach[_ lazy](f func(K, V), opts ...Option) {
	s.then("for-each", opts, func(_ *topology.Wiring, name string, next processor.Node[K, V]) processor.Node[K, V] {
		return &filterNode[K, V]{name: name, f: func(k K, v V) bool { f(k, v); return false }, next: processor.Fan[K, V](nil)}
	})
}

// TryForEach is ForEach for a function that may fail and that sees the whole
// record.
func (s Stream[K, V]) TryForEach[_ lazy](f func(*processor.Context, processor.Record[K, V]) error, opts ...Option) {
	s.then("for-each", opts, func(_ *topology.Wiring, name string, _ processor.Node[K, V]) processor.Node[K, V] {
		return &tryForEachNode[K, V]{name: name, f: f}
	})
}

type tryForEachNode[K, V any] struct {
	name string
	f    func(*processor.Context, processor.Record[K, V]) error
}

func (n *tryForEachNode[K, V]) Process(c *processor.Context, k K, v V) error {
	if err := n.call(c, k, v); err != nil {
		return c.Fail(processor.StageProcess, n.name, k, v, err)
	}
	return nil
}

func (n *tryForEachNode[K, V]) call(c *processor.Context, k K, v V) (err error) {
	defer processor.Recover(&err)
	return n.f(c, recordOf(c.Frame(), k, v))
}

// Print writes each record as a line "[label]: key, value" to w and ends the
// stream there. Tasks take turns; an error of w goes to the failure handler.
func (s Stream[K, V]) Print[_ lazy](w io.Writer, label string, opts ...Option) {
	var mu sync.Mutex
	s.TryForEach(func(_ *processor.Context, r processor.Record[K, V]) error {
		mu.Lock()
		defer mu.Unlock()
		_, err := fmt.Fprintf(w, "[%s]: %s, %s\n", label, shown(r.Key, r.NullKey), shown(r.Value, r.NullValue))
		return err
	}, opts...)
}

func shown(v any, isNull bool) string {
	if isNull {
		return "null"
	}
	return fmt.Sprint(v)
}
