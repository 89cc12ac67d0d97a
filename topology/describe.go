package topology

import (
	"fmt"
	"slices"
	"strings"
)

// Describe draws the topology in the text format of Kafka Streams, with the
// names of internal topics as they are without the application's id.
func (t *Topology) Describe() string {
	var b strings.Builder
	b.WriteString("Topologies:\n ")
	d := describer{t: t, sizes: make(map[int]int)}
	for i := range t.subs {
		d.sub(&b, &t.subs[i])
	}
	return b.String()
}

type describer struct {
	t     *Topology
	sizes map[int]int
}

// size is 1 plus the sizes of all children, counted once for each path.
func (d describer) size(id int) int {
	if n, ok := d.sizes[id]; ok {
		return n
	}
	n := 1
	for _, c := range d.t.Nodes[id].Children {
		n += d.size(c)
	}
	d.sizes[id] = n
	return n
}

// ordered sorts nodes by falling size, then by name.
func (d describer) ordered(ids []int) []Node {
	nodes := make([]Node, len(ids))
	for i, id := range ids {
		nodes[i] = d.t.Nodes[id]
	}
	slices.SortStableFunc(nodes, func(x, y Node) int {
		if c := d.size(y.ID) - d.size(x.ID); c != 0 {
			return c
		}
		return strings.Compare(x.Name, y.Name)
	})
	return nodes
}

func (d describer) names(ids []int) string {
	if len(ids) == 0 {
		return "none"
	}
	var names []string
	for _, n := range d.ordered(ids) {
		names = append(names, n.Name)
	}
	return strings.Join(names, ", ")
}

func (d describer) sub(b *strings.Builder, s *SubTopology) {
	fmt.Fprintf(b, "  Sub-topology: %d", s.ID)
	if s.Global {
		b.WriteString(" for global store (will not generate tasks)")
	}
	b.WriteString("\n")
	for _, n := range d.ordered(s.Nodes) {
		switch {
		case n.Pattern != "":
			fmt.Fprintf(b, "    Source: %s (topics: %s)\n", n.Name, n.Pattern)
		case n.Kind == SourceNode:
			fmt.Fprintf(b, "    Source: %s (topics: [%s])\n", n.Name, strings.Join(n.Topics, ", "))
		case n.Kind == ProcessorNode:
			fmt.Fprintf(b, "    Processor: %s (stores: [%s])\n", n.Name, strings.Join(n.Stores, ", "))
		case n.Dynamic:
			fmt.Fprintf(b, "    Sink: %s (extractor class: function)\n", n.Name)
		default:
			fmt.Fprintf(b, "    Sink: %s (topic: %s)\n", n.Name, strings.Join(n.Topics, ", "))
		}
		if n.Kind != SinkNode {
			fmt.Fprintf(b, "      --> %s\n", d.names(n.Children))
		}
		if n.Kind != SourceNode {
			fmt.Fprintf(b, "      <-- %s\n", d.names(n.Parents))
		}
	}
	b.WriteString("\n")
}

// Mermaid draws the topology as a Mermaid flowchart.
func (t *Topology) Mermaid() string {
	var b strings.Builder
	b.WriteString("flowchart TD\n")
	topics := map[string]string{}
	topic := func(name string) string {
		id, ok := topics[name]
		if !ok {
			id = fmt.Sprintf("t%d", len(topics))
			topics[name] = id
			fmt.Fprintf(&b, "  %s[(%q)]\n", id, name)
		}
		return id
	}
	for _, s := range t.subs {
		for _, id := range s.Nodes {
			n := t.Nodes[id]
			for _, name := range n.inputs() {
				topic(name)
			}
		}
	}
	for _, s := range t.subs {
		fmt.Fprintf(&b, "  subgraph sub%d[\"sub-topology %d\"]\n", s.ID, s.ID)
		for _, id := range s.Nodes {
			fmt.Fprintf(&b, "    n%d[%q]\n", id, t.Nodes[id].Name)
		}
		for _, name := range s.Stores {
			fmt.Fprintf(&b, "    %s[/%q/]\n", "s"+fmt.Sprint(t.storeIndex(name)), name)
		}
		b.WriteString("  end\n")
	}
	for _, n := range t.Nodes {
		for _, c := range n.Children {
			fmt.Fprintf(&b, "  n%d --> n%d\n", n.ID, c)
		}
		for _, name := range n.Stores {
			fmt.Fprintf(&b, "  n%d -.- s%d\n", n.ID, t.storeIndex(name))
		}
		for _, name := range n.inputs() {
			if n.Kind == SourceNode {
				fmt.Fprintf(&b, "  %s --> n%d\n", topic(name), n.ID)
			} else {
				fmt.Fprintf(&b, "  n%d --> %s\n", n.ID, topic(name))
			}
		}
	}
	return b.String()
}

func (t *Topology) storeIndex(name string) int {
	return slices.IndexFunc(t.Stores, func(s Store) bool { return s.Name == name })
}
