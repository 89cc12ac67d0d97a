package topology

import (
	"fmt"
	"regexp"
	"slices"
	"sort"

	"github.com/thalweg/thalweg/processor"
)

// Port is the typed output of one node. Each subscriber builds a child chain
// for the task at hand. This is where types survive without boxing: a port and
// its subscribers agree on K and V when they are compiled.
//
// Ports are what package dsl and the Builder's own methods are made of.
type Port[K, V any] struct {
	b    *Builder
	node int
	subs []subscriber[K, V]
}

type subscriber[K, V any] struct {
	node int
	wire func(*Wiring) processor.Node[K, V]
}

// Node returns the id of the node whose output this is.
func (p *Port[K, V]) Node() int { return p.node }

// Spec describes a node to be added.
type Spec struct {
	Name   string
	Op     string
	Stores []string
	User   bool // the node runs a processor of the user's
}

// Attach adds a node with the given parents. wire makes it for one task; next
// is its output. Nodes with more than one parent are made once for each task.
// Where wire returns a processor.Lifecycle, its Init and Close are called.
func Attach[KI, VI, KO, VO any](b *Builder, s Spec, wire func(w *Wiring, id int, out *Port[KO, VO]) processor.Node[KI, VI], parents ...*Port[KI, VI]) *Port[KO, VO] {
	ids := b.parents(s.Name, len(parents), func(i int) (*Builder, int) { return parents[i].b, parents[i].node })
	id := b.add(Node{Name: s.Name, Kind: ProcessorNode, Op: s.Op, Parents: ids, Stores: s.Stores, User: s.User})
	out := &Port[KO, VO]{b: b, node: id}
	for _, p := range parents {
		p.Subscribe(id, func(w *Wiring) processor.Node[KI, VI] {
			if n, ok := w.memo[id]; ok {
				return n.(processor.Node[KI, VI])
			}
			n := wire(w, id, out)
			w.memo[id] = n
			if l, ok := n.(processor.Lifecycle); ok {
				w.Own(id, l)
			}
			return n
		})
	}
	return out
}

// parents returns the ids of a node's parents. Those of another builder are a
// mistake, and left out.
func (b *Builder) parents(name string, n int, parent func(i int) (*Builder, int)) (ids []int) {
	for i := range n {
		of, id := parent(i)
		if of != b {
			b.Fail("topology: node %q: its parent %q belongs to another builder", name, of.nodes[id].Name)
			continue
		}
		ids = append(ids, id)
	}
	return ids
}

// Builder returns the builder that the port belongs to.
func (p *Port[K, V]) Builder() *Builder { return p.b }

// Branch adds a node below parent that passes records on, and returns its
// output. It is not wired by itself: the parent's node does it, which so chooses
// the children of each record.
func Branch[K, V any](b *Builder, s Spec, parent int) *Port[K, V] {
	id := b.add(Node{Name: s.Name, Kind: ProcessorNode, Op: s.Op, Parents: []int{parent}, Stores: s.Stores})
	return &Port[K, V]{b: b, node: id}
}

// Subscribe makes the node called id a child of the port.
func (p *Port[K, V]) Subscribe(id int, wire func(*Wiring) processor.Node[K, V]) {
	p.subs = append(p.subs, subscriber[K, V]{id, wire})
}

// Wire makes the children for a task.
func (p *Port[K, V]) Wire(w *Wiring) []processor.Child[K, V] {
	cs := make([]processor.Child[K, V], len(p.subs))
	for i, s := range p.subs {
		cs[i] = processor.Child[K, V]{Name: p.b.nodes[s.node].Name, Node: s.wire(w)}
	}
	return cs
}

// Next makes the children for a task and returns one node for all of them.
func (p *Port[K, V]) Next(w *Wiring) processor.Node[K, V] { return processor.Fan(p.Wire(w)) }

// Wiring is one task under construction.
type Wiring struct {
	// Context is the task's. Its stores are open.
	Context *processor.Context
	b       *Builder
	appID   string
	memo    map[int]any
	owned   []ownedNode
	err     error
}

type ownedNode struct {
	id   int
	node processor.Lifecycle
}

// Own has l initialised and closed with the task, as part of the node id, once:
// a node that only passes on is wired as the one below it.
func (w *Wiring) Own(id int, l processor.Lifecycle) {
	if !slices.ContainsFunc(w.owned, func(o ownedNode) bool { return o.node == l }) {
		w.owned = append(w.owned, ownedNode{id, l})
	}
}

// Scope returns what the node may use.
func (w *Wiring) Scope(id int) *processor.Scope {
	n := w.b.nodes[id]
	s := &processor.Scope{Node: n.Name, Stores: n.Stores}
	for _, name := range n.Stores {
		if by := w.b.byStore[name].Writer; by != "" && by != n.Name {
			s.Reads = append(s.Reads, name)
		}
	}
	return s
}

// UserScope is Scope for the user's processor, with what is put around it. It is
// asked for once for each node.
func (w *Wiring) UserScope(id int) *processor.Scope {
	s := w.Scope(id)
	var around []processor.Interceptor
	for _, wrap := range w.b.nodes[id].wrappers {
		if wrap.New != nil {
			around = append(around, wrap.New())
		}
	}
	s.Around = processor.Chain(around...)
	return s
}

// Name returns the name of a node.
func (w *Wiring) Name(id int) string { return w.b.nodes[id].Name }

// Fail records why the task cannot be made.
func (w *Wiring) Fail(format string, args ...any) {
	if w.err == nil {
		w.err = fmt.Errorf(format, args...)
	}
}

// Memo returns what was made under the key for this task, making it the first
// time. It is for state shared by several nodes.
func (w *Wiring) Memo(key int, make func() any) any {
	v, ok := w.memo[-1-key]
	if !ok {
		v = make()
		w.memo[-1-key] = v
	}
	return v
}

// Wired is a task's typed chain.
type Wired struct {
	// Sources holds the beginning for each topic, by full name.
	Sources map[string]processor.RawNode
	follow  []follower
	// Nodes are those to initialise before the first record, in this order,
	// and to close, in the same order, at the end.
	Nodes []processor.Lifecycle
}

// follower makes the beginning of a pattern's chain for one more topic.
type follower struct {
	re   *regexp.Regexp
	make func(topic string) processor.RawNode
}

// Follow adds the beginning for a topic that appeared after the task was made,
// and returns it: nil when it matches no pattern of the task.
func (w *Wired) Follow(topic string) processor.RawNode {
	for _, f := range w.follow {
		if f.re.MatchString(topic) {
			w.Sources[topic] = f.make(topic)
			return w.Sources[topic]
		}
	}
	return nil
}

// Init initialises all nodes.
func (w *Wired) Init(c *processor.Context) error {
	for _, n := range w.Nodes {
		if err := n.Init(c); err != nil {
			return err
		}
	}
	return c.Fatal()
}

// Close closes all nodes, and returns the last error.
func (w *Wired) Close() error {
	var last error
	for _, n := range w.Nodes {
		if err := n.Close(); err != nil {
			last = err
		}
	}
	return last
}

// Wire makes the typed chain of one task: of the given sub-topologies, or of
// all that are not global. The stores must be open: nodes fetch them from c by
// name.
func (t *Topology) Wire(c *processor.Context, subs ...int) (*Wired, error) {
	in := make(map[int]bool)
	for _, s := range t.subs {
		if len(subs) == 0 && !s.Global {
			in[s.ID] = true
		}
	}
	for _, s := range subs {
		in[s] = true
	}
	w := &Wiring{Context: c, b: t.b, appID: c.ApplicationID(), memo: map[int]any{}}
	r := &Wired{Sources: map[string]processor.RawNode{}}
	for _, s := range t.b.sources {
		if n := t.Nodes[s.node]; in[n.Sub] {
			begin := s.wire(w)
			for _, topic := range n.Topics {
				r.Sources[FullName(w.appID, topic, n.Internal)] = begin(topic)
			}
			if s.re != nil {
				r.follow = append(r.follow, follower{s.re, begin})
			}
		}
	}
	if w.err != nil {
		return nil, w.err
	}
	sort.SliceStable(w.owned, func(i, j int) bool { return w.owned[i].id < w.owned[j].id })
	for _, o := range w.owned {
		r.Nodes = append(r.Nodes, o.node)
	}
	return r, nil
}

// FullName returns the name of a topic on the broker.
func FullName(appID, topic string, internal bool) string {
	if internal && appID != "" {
		return appID + "-" + topic
	}
	return topic
}
