package random

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"

	"github.com/thalweg/thalweg/internal/golden"
)

// kind is the type of a node. Streams and tables of counts come of count;
// those with windowed keys of windowed aggregations.
type kind int

const (
	none kind = iota // a sink
	textStream
	windowedStream
	splitStream
	textTable
	countTable
	windowedTextTable
	windowedCountTable
	globalTable
)

// generator makes one case.
type generator struct {
	rng     *rand.Rand
	nodes   []Node
	kinds   []kind
	history []int64   // of versioned tables, 0 for others
	windows []*Window // of nodes with windowed keys
	used    []bool
	topics  map[string][2]string
	booms   bool // functions may fail
}

// Generate makes the case of a seed, without results.
func Generate(seed uint64) Case {
	g := &generator{rng: rand.New(rand.NewPCG(seed, 1)), topics: map[string][2]string{}}
	c := Case{Case: golden.Case{ID: "random", Seed: int(seed), Commit: "each", WallClockStart: 1_000_000_000_000}}
	c.Config, c.Wire = map[string]any{}, true
	if g.oneIn(5) {
		c.Config["topology.optimization"] = "all"
	}
	if g.booms = g.oneIn(5); g.booms {
		c.Config["processing.exception.handler"] = "org.apache.kafka.streams.errors.LogAndContinueProcessingExceptionHandler"
	}
	manual := g.oneIn(3)
	if manual {
		c.Commit = "manual"
	}
	for range 1 + g.rng.IntN(3) {
		g.source()
	}
	for range 1 + g.rng.IntN(6) {
		g.operator()
	}
	c.InputTopics = map[string][2]string{}
	for _, n := range g.nodes {
		if n.Topic != "" {
			c.InputTopics[n.Topic] = [2]string{"string", "string"}
		}
	}
	g.sinks()
	c.OutputTopics = g.topics
	c.Program.Nodes = g.nodes
	c.Program.Plain = seed%2 == 0
	c.Steps = g.input(slices.Sorted(maps.Keys(c.InputTopics)), manual)
	return c
}

func (g *generator) oneIn(n int) bool { return g.rng.IntN(n) == 0 }

func (g *generator) between(from, to int64) int64 { return from + g.rng.Int64N(to-from+1) }

func (g *generator) pick(list []string) string { return list[g.rng.IntN(len(list))] }

// one of the names of a table of functions.
func one[F any](g *generator, of map[string]F) string {
	for {
		if f := g.pick(slices.Sorted(maps.Keys(of))); f != boom || g.booms {
			return f
		}
	}
}

func (g *generator) add(k kind, n Node) int {
	for _, in := range n.In {
		g.used[in] = true
	}
	var w *Window
	switch {
	case n.Window != nil:
		w = n.Window
	case len(n.In) > 0 && k != textStream && k != textTable && k != countTable:
		w = g.windows[n.In[0]]
	}
	h := int64(0)
	if n.Store != nil {
		h = n.Store.History
	}
	g.nodes = append(g.nodes, n)
	g.kinds = append(g.kinds, k)
	g.history = append(g.history, h)
	g.windows = append(g.windows, w)
	g.used = append(g.used, false)
	return len(g.nodes) - 1
}

// among chooses a node of one of the kinds, later ones more often; -1 is none.
func (g *generator) among(kinds ...kind) int {
	var list []int
	for i, k := range g.kinds {
		if slices.Contains(kinds, k) {
			list = append(list, i)
			if !g.used[i] {
				list = append(list, i, i)
			}
		}
	}
	if len(list) == 0 {
		return -1
	}
	return list[g.rng.IntN(len(list))]
}

func (g *generator) source() int {
	topic := fmt.Sprintf("t%d", len(g.nodes))
	switch g.rng.IntN(9) {
	case 0, 1, 2, 3:
		return g.add(textStream, Node{Op: "stream", Topic: topic})
	case 4:
		return g.add(globalTable, Node{Op: "global", Topic: topic, Store: &Store{Name: g.name("g")}})
	case 5:
		return g.add(textTable, Node{Op: "table", Topic: topic})
	default:
		return g.add(textTable, Node{Op: "table", Topic: topic, Store: g.store(true)})
	}
}

// name is the name of what the next node keeps.
func (g *generator) name(prefix string) string { return fmt.Sprintf("%s%d", prefix, len(g.nodes)) }

// store is a store of a table without windows.
func (g *generator) store(versions bool) *Store {
	s := &Store{Name: g.name("s")}
	switch {
	case versions && g.oneIn(5):
		s.History = g.between(5, 150)
		return s
	case g.oneIn(3):
		s.Memory = true
	}
	s.Uncached = g.oneIn(2)
	return s
}

// maybe is a store for an operator that needs none.
func (g *generator) maybe() *Store {
	if g.oneIn(2) {
		return nil
	}
	return g.store(g.oneIn(3))
}

func (g *generator) window() *Window {
	w := &Window{Kind: g.pick([]string{"time", "time", "session", "sliding"}), Size: g.between(1, 25), Grace: g.between(0, 30), Final: g.oneIn(4)}
	if g.oneIn(3) {
		w.Grace = 0
	}
	if w.Kind == "time" {
		w.Advance = w.Size
		if g.oneIn(2) {
			w.Advance = max(g.between(1, w.Size), w.Size/5)
		}
	}
	return w
}

// windowStore is a store of windows.
func (g *generator) windowStore(w *Window) *Store {
	s := g.store(false)
	if g.oneIn(3) {
		s.Retention = w.Size + w.Grace + g.between(0, 100)
		if w.Kind == "sliding" {
			s.Retention += w.Size
		}
	}
	return s
}

func (g *generator) aggregation() string {
	switch g.rng.IntN(4) {
	case 0:
		return "count"
	case 1:
		return "reduce:" + one(g, reducers)
	case 2:
		return "aggregate:" + one(g, reducers)
	}
	return "aggregate:plus"
}

// sinks writes what nobody reads, and some of the rest.
func (g *generator) sinks() {
	for i, k := range slices.Clone(g.kinds) {
		if g.used[i] && !g.oneIn(4) {
			continue
		}
		key, value := "string", "string"
		switch k {
		case none, splitStream, globalTable:
			continue
		case countTable:
			value = "long"
		case windowedCountTable:
			value = "long"
			key = g.windows[i].keyType()
		case windowedStream, windowedTextTable:
			key = g.windows[i].keyType()
		}
		topic := g.name("out")
		g.topics[topic] = [2]string{key, value}
		g.add(none, Node{Op: "to", In: []int{i}, Topic: topic})
	}
}

func (w *Window) keyType() string {
	if w.Kind == "session" {
		return "session-windowed-string"
	}
	return fmt.Sprintf("time-windowed-string(size=%d)", w.Size)
}
