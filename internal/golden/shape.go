package golden

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/thalweg/thalweg/topology"
)

// The shape of a topology is what its description must have in common with
// that of Kafka Streams: for each sub-topology the source topics, the sink
// topics, the stores, and which source reaches which store and sink. Nodes and
// their names are each library's own. So are the names of topics and stores
// that the user did not give; they are written as "*".

// part is one sub-topology.
type part struct {
	global bool
	nodes  []shapeNode
}

type shapeNode struct {
	source, sink bool
	topics       []string
	stores       []string
	next         []int
}

var (
	partLine  = regexp.MustCompile(`Sub-topology: \d+( for global store)?`)
	nodeLine  = regexp.MustCompile(`^\s+(Source|Processor|Sink): (\S+) \((topics?|stores|extractor class): (.*)\)$`)
	generated = regexp.MustCompile(`(K(STREAM|TABLE)-[A-Z-]+|-STATE-STORE)-\d{10}`)
)

// parseDescribe reads the text of Kafka Streams' Topology.describe.
func parseDescribe(text string) ([]part, error) {
	var parts []part
	var names map[string]int
	edges := map[string][]string{}
	var last string
	link := func() error {
		if len(parts) == 0 {
			return nil
		}
		p := &parts[len(parts)-1]
		for from, to := range edges {
			for _, t := range to {
				id, ok := names[t]
				if !ok {
					return fmt.Errorf("golden: describe: node %q leads to %q, which is not there", from, t)
				}
				p.nodes[names[from]].next = append(p.nodes[names[from]].next, id)
			}
		}
		clear(edges)
		return nil
	}
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		if m := partLine.FindStringSubmatch(line); m != nil {
			if err := link(); err != nil {
				return nil, err
			}
			parts = append(parts, part{global: m[1] != ""})
			names = map[string]int{}
			continue
		}
		if m := nodeLine.FindStringSubmatch(line); m != nil {
			p := &parts[len(parts)-1]
			n := shapeNode{source: m[1] == "Source", sink: m[1] == "Sink"}
			list := splitList(m[4])
			switch m[3] {
			case "stores":
				n.stores = list
			case "extractor class":
				n.topics = []string{"(chosen)"}
			default:
				n.topics = list
			}
			last = m[2]
			names[last] = len(p.nodes)
			p.nodes = append(p.nodes, n)
			continue
		}
		if to, ok := strings.CutPrefix(strings.TrimSpace(line), "--> "); ok && to != "none" {
			edges[last] = strings.Split(to, ", ")
		}
	}
	return parts, link()
}

func splitList(s string) []string {
	s = strings.TrimSuffix(strings.TrimPrefix(s, "["), "]")
	if s == "" {
		return nil
	}
	return strings.Split(s, ", ")
}

// partsOf gives the same of one of our topologies.
func partsOf(t *topology.Topology) []part {
	var parts []part
	for _, s := range t.SubTopologies() {
		p := part{global: s.Global}
		at := map[int]int{}
		for i, id := range s.Nodes {
			at[id] = i
		}
		for _, id := range s.Nodes {
			n := t.Nodes[id]
			x := shapeNode{source: n.Kind == topology.SourceNode, sink: n.Kind == topology.SinkNode, topics: n.Topics, stores: n.Stores}
			if n.Dynamic {
				x.topics = []string{"(chosen)"}
			}
			for _, c := range n.Children {
				x.next = append(x.next, at[c])
			}
			p.nodes = append(p.nodes, x)
		}
		parts = append(parts, p)
	}
	return parts
}

// names are the names that the user gave.
type names struct{ topics, stores map[string]bool }

// given collects the names of topics and stores that the user gave.
func given(parts []part) names {
	g := names{map[string]bool{}, map[string]bool{}}
	for _, p := range parts {
		for _, n := range p.nodes {
			for _, x := range n.topics {
				g.topics[x] = !generated.MatchString(x)
			}
			for _, x := range n.stores {
				g.stores[x] = !generated.MatchString(x)
			}
		}
	}
	return g
}

// shape writes each sub-topology as text; what is not among the names is "*".
func shape(parts []part, g names) []string {
	known := func(list []string, names map[string]bool) []string {
		out := make([]string, len(list))
		for i, x := range list {
			if out[i] = x; !names[x] {
				out[i] = "*"
			}
		}
		slices.Sort(out)
		return out
	}
	var out []string
	for _, p := range parts {
		var lines []string
		for i, n := range p.nodes {
			if !n.source {
				continue
			}
			var sinks, stores []string
			seen := map[int]bool{}
			var walk func(int)
			walk = func(i int) {
				if seen[i] {
					return
				}
				seen[i] = true
				n := p.nodes[i]
				if n.sink {
					sinks = append(sinks, n.topics...)
				}
				stores = append(stores, n.stores...)
				for _, c := range n.next {
					walk(c)
				}
			}
			walk(i)
			slices.Sort(stores)
			slices.Sort(sinks)
			lines = append(lines, fmt.Sprintf("%v reaches stores %v, sinks %v", known(n.topics, g.topics), known(slices.Compact(stores), g.stores), known(sinks, g.topics)))
		}
		slices.Sort(lines)
		head := "sub-topology"
		if p.global {
			head = "global"
		}
		out = append(out, head+": "+strings.Join(lines, "; "))
	}
	slices.Sort(out)
	return out
}
