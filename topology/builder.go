package topology

import (
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"slices"

	"github.com/thalweg/thalweg/internal/null"
	"github.com/thalweg/thalweg/processor"
	"github.com/thalweg/thalweg/state"
)

// Builder puts a topology together node by node. Package dsl, which most
// programs use instead, is written in its terms.
//
//	b := topology.NewBuilder()
//	in := b.AddSource("lines", lines)
//	words := b.AddProcessor("split", newSplitter, in)
//	b.AddSink("words", counted, words)
//
// Mistakes are collected, and Build returns them all. A Builder is used by one
// goroutine.
type Builder struct {
	nodes   []*Node
	names   map[string]int
	sources []sourceEntry
	stores  []*Store
	byStore map[string]*Store
	inter   map[string]*InternalTopic
	groups  [][]int // source nodes to be co-partitioned
	errs    []error
	before  []func()
	wraps   []func(node string) Wrapper
	built   *Topology
}

// sourceEntry is one source: wire makes, for one task, what makes the beginning
// of its chain for a topic.
type sourceEntry struct {
	node int
	re   *regexp.Regexp // of a pattern, else nil
	wire func(*Wiring) func(topic string) processor.RawNode
}

// NewBuilder returns an empty builder.
func NewBuilder() *Builder {
	return &Builder{names: map[string]int{}, byStore: map[string]*Store{}, inter: map[string]*InternalTopic{}}
}

// Fail records a mistake, to be returned by Build.
func (b *Builder) Fail(format string, args ...any) {
	b.errs = append(b.errs, fmt.Errorf(format, args...))
}

// BeforeBuild has f called at the beginning of Build, in the order of the
// calls: for decisions that depend on the whole graph.
func (b *Builder) BeforeBuild(f func()) { b.before = append(b.before, f) }

func (b *Builder) add(n Node) int {
	stores := n.Stores
	n.ID, n.Stores = len(b.nodes), nil
	if n.Name == "" {
		b.Fail("topology: a node (%s) has no name", n.Op)
	} else if _, ok := b.names[n.Name]; ok {
		b.Fail("topology: two nodes are called %q", n.Name)
	}
	b.names[n.Name] = n.ID
	b.nodes = append(b.nodes, &n)
	for _, p := range n.Parents {
		b.nodes[p].Children = append(b.nodes[p].Children, n.ID)
	}
	for _, s := range stores {
		b.connect(n.ID, s)
	}
	return n.ID
}

// relink makes child, a child of from, a child of to.
func (b *Builder) relink(child, from, to int) {
	b.nodes[from].Children = slices.DeleteFunc(b.nodes[from].Children, func(c int) bool { return c == child })
	b.nodes[to].Children = append(b.nodes[to].Children, child)
	for i, p := range b.nodes[child].Parents {
		if p == from {
			b.nodes[child].Parents[i] = to
		}
	}
}

// Has reports whether a node is called name.
func (b *Builder) Has(name string) bool { _, ok := b.names[name]; return ok }

// Node returns the description of an added node, which may be completed until
// Build.
func (b *Builder) Node(id int) *Node { return b.nodes[id] }

// AddSource adds a node that reads one or more topics of the same types. The
// serdes and times are each topic's own.
func (b *Builder) AddSource[K, V any](name string, t Topic[K, V], more ...Topic[K, V]) *Port[K, V] {
	return b.source(Node{Name: name, Op: "source"}, append([]Topic[K, V]{t}, more...))
}

// AddInternalSource is AddSource for an internal topic, whose name will get the
// application's id. Partitions 0 means as many as its inputs have.
func (b *Builder) AddInternalSource[K, V any](name string, t Topic[K, V], partitions int32) *Port[K, V] {
	b.inter[t.Name] = &InternalTopic{Name: t.Name, Partitions: partitions, Strict: partitions > 0}
	return b.source(Node{Name: name, Op: "source", Internal: true}, []Topic[K, V]{t})
}

func (b *Builder) source[K, V any](n Node, topics []Topic[K, V]) *Port[K, V] {
	n.Kind = SourceNode
	for _, t := range topics {
		n.Topics = append(n.Topics, t.Name)
		checkTopic(b, n.Name, t)
		if t.reset != (Reset{}) {
			n.Reset = t.reset
		}
	}
	id := b.add(n)
	p := &Port[K, V]{b: b, node: id}
	b.sources = append(b.sources, sourceEntry{id, nil, func(w *Wiring) func(string) processor.RawNode {
		next := p.Next(w)
		return func(topic string) processor.RawNode {
			i := slices.IndexFunc(topics, func(t Topic[K, V]) bool { return t.Name == topic })
			return newSource(w.Name(id), topics[i], next)
		}
	}})
	return p
}

func checkTopic[K, V any](b *Builder, node string, t Topic[K, V]) {
	if t.Name == "" {
		b.Fail("topology: node %q: a topic has no name", node)
	}
	checkSerdes(b, node, t)
}

func checkSerdes[K, V any](b *Builder, node string, t Topic[K, V]) {
	if t.Key == nil {
		b.Fail("topology: node %q: topic %q has no key serde", node, t.Name)
	}
	if t.Value == nil {
		b.Fail("topology: node %q: topic %q has no value serde", node, t.Name)
	}
}

// AddProcessor adds a node that runs a user's processor. make is called once
// for each task, and may return its own type: the types are inferred from that
// type's methods. Stores are connected by Connect.
func (b *Builder) AddProcessor[P processor.Processor[KI, VI, KO, VO], KI, VI, KO, VO any](name string, make func() P, parents ...*Port[KI, VI]) *Port[KO, VO] {
	if len(parents) == 0 {
		b.Fail("topology: processor %q has no parent", name)
	}
	return attachUser(b, Spec{Name: name, Op: "process"}, make, parents...)
}

// attachUser adds a node that runs a processor of the user's.
func attachUser[P processor.Processor[KI, VI, KO, VO], KI, VI, KO, VO any](b *Builder, s Spec, make func() P, parents ...*Port[KI, VI]) *Port[KO, VO] {
	CheckMake(b, s.Name, make)
	s.User = true
	return Attach(b, s, func(w *Wiring, id int, out *Port[KO, VO]) processor.Node[KI, VI] {
		o := processor.NewOut(w.Context, w.Name(id), out.Wire(w), null.Test[KO](nil), null.Test[VO](nil))
		return processor.NewUserNode(make(), o, w.UserScope(id))
	}, parents...)
}

// AddSink adds a node that writes to a topic.
func (b *Builder) AddSink[K, V any](name string, t Topic[K, V], parents ...*Port[K, V]) {
	b.sink(Node{Name: name, Topics: []string{t.Name}}, t, nil, parents)
}

// AddInternalSink is AddSink for an internal topic.
func (b *Builder) AddInternalSink[K, V any](name string, t Topic[K, V], parents ...*Port[K, V]) {
	b.sink(Node{Name: name, Topics: []string{t.Name}, Internal: true}, t, nil, parents)
}

// AddSinkFunc adds a node that writes each record to the topic that choose
// returns, which must exist. t gives the serdes and the partitioner.
func (b *Builder) AddSinkFunc[K, V any](name string, t Topic[K, V], choose func(*processor.Context, processor.Record[K, V]) (string, error), parents ...*Port[K, V]) {
	if t.Name == "" {
		t.Name = "(chosen)"
	}
	b.sink(Node{Name: name, Dynamic: true}, t, choose, parents)
}

func (b *Builder) sink[K, V any](n Node, t Topic[K, V], choose func(*processor.Context, processor.Record[K, V]) (string, error), parents []*Port[K, V]) {
	if len(parents) == 0 {
		b.Fail("topology: sink %q has no parent", n.Name)
	}
	checkTopic(b, n.Name, t)
	n.Kind, n.Op = SinkNode, "sink"
	n.Parents = b.parents(n.Name, len(parents), func(i int) (*Builder, int) { return parents[i].b, parents[i].node })
	id := b.add(n)
	for _, p := range parents {
		p.Subscribe(id, func(w *Wiring) processor.Node[K, V] {
			if n, ok := w.memo[id]; ok {
				return n.(processor.Node[K, V])
			}
			s := newSink(w.Name(id), t)
			s.topic = FullName(w.appID, t.Name, n.Internal)
			s.choose = choose
			w.memo[id] = s
			return s
		})
	}
}

// AddStore declares a store. Declaring one handle twice is allowed.
func (b *Builder) AddStore(h Declared) *Store {
	name := h.StoreName()
	if s, ok := b.byStore[name]; ok {
		if !sameHandle(s.Handle, h) {
			b.Fail("topology: two different stores are called %q", name)
		}
		return s
	}
	if name == "" {
		b.Fail("topology: a store has no name")
	}
	s := &Store{Name: name, Handle: h, Sub: -1}
	b.byStore[name] = s
	b.stores = append(b.stores, s)
	return s
}

// sameHandle reports whether two handles declare the same store: they have the
// same types and the same specification.
func sameHandle(a, b Declared) bool {
	x, ok := a.(state.Declared)
	y, also := b.(state.Declared)
	return ok && also && reflect.TypeOf(a) == reflect.TypeOf(b) && reflect.DeepEqual(x.Spec(), y.Spec())
}

// Store returns a declared store, or nil.
func (b *Builder) Store(name string) *Store { return b.byStore[name] }

// Connect lets the processor called node use the stores.
func (b *Builder) Connect(node string, stores ...Declared) {
	id, ok := b.names[node]
	if !ok {
		b.Fail("topology: connecting stores to %q: no such node", node)
		return
	}
	if b.nodes[id].Kind != ProcessorNode {
		b.Fail("topology: connecting stores to %q: it is a %v, not a processor", node, b.nodes[id].Kind)
		return
	}
	for _, s := range stores {
		b.AddStore(s)
		b.connect(id, s.StoreName())
	}
}

func (b *Builder) connect(id int, store string) {
	n := b.nodes[id]
	if slices.Contains(n.Stores, store) {
		return
	}
	s := b.byStore[store]
	if s == nil {
		b.Fail("topology: node %q uses store %q, which is not declared", n.Name, store)
		return
	}
	if s.Global {
		return // every node may read it
	}
	n.Stores = append(n.Stores, store)
	s.Nodes = append(s.Nodes, id)
	slices.Sort(s.Nodes)
}

// ConnectNode lets the node use the declared stores.
func (b *Builder) ConnectNode(id int, stores ...string) {
	for _, s := range stores {
		b.connect(id, s)
	}
}

// Copartition requires the topics of the source nodes to have equal numbers of
// partitions.
func (b *Builder) Copartition(sources ...int) {
	if len(sources) > 1 {
		b.groups = append(b.groups, sources)
	}
}

// Build checks the graph. It returns all mistakes at once, joined.
func (b *Builder) Build() (*Topology, error) {
	if b.built == nil {
		for _, f := range b.before {
			f()
		}
		b.wrapProcessors()
		b.check()
	}
	if len(b.errs) > 0 {
		return nil, errors.Join(b.errs...)
	}
	if b.built == nil {
		b.built = b.plan()
	}
	return b.built, nil
}
