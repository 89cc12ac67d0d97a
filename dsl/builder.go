package dsl

import (
	"errors"
	"fmt"

	"github.com/thalweg/thalweg/internal/quirk"
	"github.com/thalweg/thalweg/serde"
	"github.com/thalweg/thalweg/topology"
)

// Builder collects the streams and tables of a program. It is used by one
// goroutine. Mistakes are collected, and Build returns them all.
type Builder struct {
	t        *topology.Builder
	serdes   serde.Registry
	optimise Optimisation
	quirks   quirk.Set
	sources  map[string]any   // topic → *Stream of the source that reads it
	tableOf  map[string]bool  // topics read as tables
	names    map[string]int   // ordinals of generated names
	outer    map[int]bool     // nodes that want records with null keys
	placed   map[int]bool     // sources of topics with partitioners of their own
	reparts  []*repartition   // in the order of their calls
	changers []*changer       // in the order of their calls
	missing  map[string]error // serdes that were not found
	missed   []string
}

// NewBuilder returns an empty builder.
func NewBuilder() *Builder {
	b := &Builder{
		t: topology.NewBuilder(), sources: map[string]any{}, tableOf: map[string]bool{},
		names: map[string]int{}, outer: map[int]bool{}, placed: map[int]bool{}, missing: map[string]error{},
	}
	b.t.BeforeBuild(b.finish)
	return b
}

// Use registers the serde of a type for stores and internal topics.
func (b *Builder) Use[T any](s serde.Serde[T]) *Builder { b.serdes.Add(s); return b }

// DefaultJSON lets stores and internal topics fall back to JSON for types
// without another serde.
func (b *Builder) DefaultJSON() *Builder { b.serdes.DefaultJSON(); return b }

// Optimisation is a set of rewritings of the graph. They change which internal
// topics and stores there are, so state is not kept when they are switched.
type Optimisation uint8

const (
	// ReuseSourceTopics restores a table's store from its source topic, and
	// makes no changelog for it.
	ReuseSourceTopics Optimisation = 1 << iota
	// MergeRepartitions lets several operators below one change of keys share
	// a repartition topic.
	MergeRepartitions
	// SingleStoreSelfJoin keeps one store when a stream is joined with itself.
	SingleStoreSelfJoin

	// OptimiseAll is all of them.
	OptimiseAll = ReuseSourceTopics | MergeRepartitions | SingleStoreSelfJoin
)

// Optimise switches rewritings of the graph on. It is called before the first
// stream or table is made.
func (b *Builder) Optimise(o Optimisation) *Builder {
	if len(b.sources)+len(b.tableOf) > 0 {
		b.t.Fail("dsl: Optimise must be called before the first stream or table")
	}
	b.optimise = o
	return b
}

// Reproduce has the operators made from now on repeat faults of Kafka Streams
// that are mended here. It is for comparisons with recorded runs: other modules
// cannot name its argument.
func (b *Builder) Reproduce(q quirk.Set) *Builder { b.quirks = q; return b }

// Build checks the program and returns its topology. All mistakes are reported
// at once, joined in one error.
func (b *Builder) Build() (*topology.Topology, error) {
	t, err := b.t.Build()
	var missing error
	for _, m := range b.missed {
		missing = errors.Join(missing, b.missing[m])
	}
	if missing != nil {
		return nil, errors.Join(missing, err)
	}
	return t, err
}

// Topology returns the builder of nodes below, for what the operators here
// cannot say.
func (b *Builder) Topology() *topology.Builder { return b.t }

// finish takes the decisions that depend on the whole graph.
func (b *Builder) finish() {
	b.mergeRepartitions()
	for _, r := range b.reparts {
		if b.t.Node(r.source).Kind == 0 {
			continue // merged with another
		}
		r.keepNull = b.wantsNullKeys(r.source)
	}
}

// wantsNullKeys reports whether a node below id, also beyond internal topics,
// makes something of a record with a null key.
func (b *Builder) wantsNullKeys(id int) bool {
	seen := map[int]bool{}
	var walk func(int) bool
	walk = func(id int) bool {
		if seen[id] {
			return false
		}
		seen[id] = true
		if b.outer[id] {
			return true
		}
		n := b.t.Node(id)
		for _, c := range n.Children {
			if walk(c) {
				return true
			}
		}
		if n.Kind == topology.SinkNode && n.Internal {
			for _, r := range b.reparts {
				if r.sink == id && walk(r.source) {
					return true
				}
			}
		}
		return false
	}
	return walk(id)
}

// name returns the given name of an operator, or one made of its parent's
// name: it is stable as long as the operators above are the same.
func (b *Builder) name(given, op string, parent int) string {
	if given != "" {
		return given
	}
	if parent >= 0 {
		op = b.t.Node(parent).Name + "/" + op
	}
	b.names[op]++
	if n := b.names[op]; n > 1 {
		op = fmt.Sprintf("%s-%d", op, n)
	}
	if b.t.Has(op) {
		return b.name("", op, -1)
	}
	return op
}

// serdeFor finds the serde of a store or internal topic: the one carried along,
// or the registered one. A miss is reported by Build.
func (b *Builder) serdeFor[T any](carried serde.Serde[T], where string) serde.Serde[T] {
	if carried != nil {
		return carried
	}
	s, err := b.serdes.For[T]()
	if err != nil {
		b.miss(where, err)
		return unknown[T]()
	}
	return s
}

func (b *Builder) miss(where string, err error) {
	if _, ok := b.missing[where]; !ok {
		b.missed = append(b.missed, where)
		b.missing[where] = fmt.Errorf("dsl: %s: %w", where, err)
	}
}

// unknown stands for a missing serde until Build fails because of it.
func unknown[T any]() serde.Serde[T] {
	fail := errors.New("dsl: no serde")
	return serde.Of(func(dst []byte, _ T) ([]byte, error) { return dst, fail }, func([]byte, *T) error { return fail })
}
