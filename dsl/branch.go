package dsl

import (
	"slices"

	"github.com/thalweg/thalweg/processor"
	"github.com/thalweg/thalweg/topology"
)

// Merge passes on the records of both streams. Nothing is said about their order
// beyond that of each stream. A stream merged with itself is what it was.
func (s Stream[K, V]) Merge[_ lazy](other Stream[K, V], opts ...Option) Stream[K, V] {
	o := operatorOf(opts)
	name := s.b.name(o.name, "merge", s.p.Node())
	from := []*topology.Port[K, V]{s.p, other.p}
	if samePort(s.p, other.p) {
		from = from[:1]
	}
	p := topology.Attach(s.b.t, topology.Spec{Name: name, Op: "merge"}, func(w *topology.Wiring, _ int, out *topology.Port[K, V]) processor.Node[K, V] {
		return out.Next(w)
	}, from...)
	r := Stream[K, V]{b: s.b, p: p, rekeyed: s.rekeyed || other.rekeyed, ks: s.ks, vs: s.vs}
	r.srcs = slices.Clone(s.srcs)
	if len(from) > 1 {
		r.srcs = append(r.srcs, other.srcs...)
	}
	if r.ks == nil {
		r.ks = other.ks
	}
	if r.vs == nil {
		r.vs = other.vs
	}
	if r.rekeyed {
		r.change = newChanger(r)
	}
	return r
}

// Cases sends each record of a stream to the first case that takes it.
type Cases[K, V any] struct {
	s     Stream[K, V]
	id    int
	name  string
	cases []branchCase[K, V]
	all   *topology.Port[K, V] // the default
}

type branchCase[K, V any] struct {
	take func(K, V) bool
	to   *topology.Port[K, V]
}

// Split sends each record to the first case, in the order in which they are
// added, whose function is true; else to the default, if there is one; else
// nowhere.
//
//	split := clicks.Split()
//	home := split.Case("home", isHome)
//	rest := split.Default("rest")
func (s Stream[K, V]) Split(opts ...Option) *Cases[K, V] {
	o := operatorOf(opts)
	c := &Cases[K, V]{s: s, name: s.b.name(o.name, "split", s.p.Node())}
	p := topology.Attach(s.b.t, topology.Spec{Name: c.name, Op: "split"}, func(w *topology.Wiring, _ int, _ *topology.Port[K, V]) processor.Node[K, V] {
		b := &branchNode[K, V]{name: c.name, rest: processor.Fan[K, V](nil)}
		for _, x := range c.cases {
			b.take = append(b.take, x.take)
			b.next = append(b.next, x.to.Next(w))
		}
		if c.all != nil {
			b.rest = c.all.Next(w)
		}
		return b
	}, s.p)
	c.id = p.Node()
	return c
}

func (c *Cases[K, V]) branch(name string) *topology.Port[K, V] {
	return topology.Branch[K, V](c.s.b.t, topology.Spec{Name: c.s.b.name("", c.name+name, -1), Op: "case"}, c.id)
}

// Case returns the stream of the records that no earlier case took and for
// which take is true. The name is added to that of the split.
func (c *Cases[K, V]) Case[_ lazy](name string, take func(K, V) bool) Stream[K, V] {
	p := c.branch(name)
	c.cases = append(c.cases, branchCase[K, V]{take, p})
	r := c.s
	r.p = p
	return r
}

// Default returns the stream of the records that no case took.
func (c *Cases[K, V]) Default[_ lazy](name string) Stream[K, V] {
	if c.all == nil {
		c.all = c.branch(name)
	} else {
		c.s.b.t.Fail("dsl: split %q has two defaults", c.name)
	}
	r := c.s
	r.p = c.all
	return r
}

type branchNode[K, V any] struct {
	name string
	take []func(K, V) bool
	next []processor.Node[K, V]
	rest processor.Node[K, V]
}

func (n *branchNode[K, V]) Process(c *processor.Context, k K, v V) error {
	i, err := n.choose(k, v)
	if err != nil {
		return c.Fail(processor.StageProcess, n.name, k, v, err)
	}
	if i < 0 {
		return n.rest.Process(c, k, v)
	}
	return n.next[i].Process(c, k, v)
}

func (n *branchNode[K, V]) choose(k K, v V) (i int, err error) {
	defer processor.Recover(&err)
	for i, f := range n.take {
		if f(k, v) {
			return i, nil
		}
	}
	return -1, nil
}
