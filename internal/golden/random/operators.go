package random

import "strings"

// operator adds an operator to a node that is there, or a source for it.
func (g *generator) operator() {
	makers := []func() bool{
		g.stateless, g.stateless, g.rekeying, g.splitting, g.merging, g.repartition, g.toTable,
		g.aggregateStream, g.aggregateStream, g.aggregateStream, g.aggregateStream, g.cogroup,
		g.joinStreams, g.joinStreams, g.joinStreams, g.joinTable, g.joinTable, g.joinGlobal,
		g.process, g.tableValues, g.tableValues, g.tableValues, g.toStream, g.suppress, g.suppress,
		g.aggregateTable, g.aggregateTable, g.joinTables, g.joinTables, g.joinTables, g.foreign, g.foreign,
	}
	for !makers[g.rng.IntN(len(makers))]() {
		if g.oneIn(3) {
			g.source()
		}
	}
}

func (g *generator) stateless() bool {
	in := g.among(textStream, windowedStream)
	if in < 0 {
		return false
	}
	n := Node{In: []int{in}}
	switch g.rng.IntN(4) {
	case 0:
		n.Op, n.F = "filter", one(g, predicates)
	case 1:
		n.Op, n.F = "filterNot", one(g, predicates)
	case 2:
		n.Op, n.F = "mapValues", one(g, mappers)
	case 3:
		n.Op, n.F = "flatMapValues", one(g, spreaders)
	}
	g.add(g.kinds[in], n)
	return true
}

func (g *generator) rekeying() bool {
	in := g.among(textStream, windowedStream)
	if in < 0 {
		return false
	}
	n := Node{In: []int{in}}
	switch g.rng.IntN(4) {
	case 0:
		n.Op, n.Key, n.F = "map", one(g, selectors), one(g, mappers)
	case 1:
		n.Op, n.F = "flatMap", one(g, spreaders)
	default:
		n.Op, n.Key = "selectKey", one(g, selectors)
	}
	g.add(textStream, n)
	return true
}

func (g *generator) splitting() bool {
	in := g.among(textStream)
	if in < 0 {
		return false
	}
	n := Node{Op: "split", In: []int{in}}
	for range 1 + g.rng.IntN(2) {
		n.Cases = append(n.Cases, one(g, predicates))
	}
	id := g.add(splitStream, n)
	for i := range len(n.Cases) + 1 {
		g.add(textStream, Node{Op: "case", In: []int{id}, Case: i})
	}
	return true
}

func (g *generator) merging() bool {
	a, b := g.among(textStream), g.among(textStream)
	if a < 0 || a == b {
		return false
	}
	g.add(textStream, Node{Op: "merge", In: []int{a, b}})
	return true
}

func (g *generator) repartition() bool {
	in := g.among(textStream)
	if in < 0 {
		return false
	}
	g.add(textStream, Node{Op: "repartition", In: []int{in}, F: g.name("rp")})
	return true
}

func (g *generator) process() bool {
	in := g.among(textStream)
	if in < 0 {
		return false
	}
	n := Node{Op: "process", In: []int{in}, Kind: g.pick([]string{"none", "stream", "wall"}), Store: g.store(false)}
	if n.Kind != "none" {
		n.Every = g.between(5, 60)
	}
	g.add(textStream, n)
	return true
}

func (g *generator) toTable() bool {
	in := g.among(textStream)
	if in < 0 {
		return false
	}
	g.add(textTable, Node{Op: "toTable", In: []int{in}, Store: g.store(true)})
	return true
}

func (g *generator) aggregateStream() bool {
	in := g.among(textStream, windowedStream)
	if in < 0 {
		return false
	}
	n := Node{Op: "aggregate", In: []int{in}, Agg: g.aggregation()}
	if g.kinds[in] == windowedStream || g.oneIn(3) {
		n.Key = one(g, selectors)
	}
	k := g.aggregated(&n, n.Agg == "count")
	if n.Window != nil && n.Window.Kind == "session" && strings.HasSuffix(n.Agg, boom) {
		n.Agg = "reduce:plus" // after a failure sessions are kept here, and lost there
	}
	g.add(k, n)
	return true
}

// aggregated gives an aggregation its window, or none, and its store.
func (g *generator) aggregated(n *Node, count bool) kind {
	if g.rng.IntN(3) > 0 {
		n.Window = g.window()
		n.Store = g.windowStore(n.Window)
		if count {
			return windowedCountTable
		}
		return windowedTextTable
	}
	n.Store = g.store(!count && g.oneIn(3))
	if count {
		return countTable
	}
	return textTable
}

func (g *generator) cogroup() bool {
	n := Node{Op: "cogroup"}
	for range 1 + g.rng.IntN(3) {
		in := g.among(textStream)
		if in < 0 {
			return false
		}
		key := ""
		if g.oneIn(3) {
			key = one(g, selectors)
		}
		n.In, n.Keys = append(n.In, in), append(n.Keys, key)
	}
	k := g.aggregated(&n, false)
	if n.Window != nil {
		n.Window.Final = false
	}
	g.add(k, n)
	return true
}

func (g *generator) joinStreams() bool {
	l, r := g.among(textStream), g.among(textStream)
	if l < 0 {
		return false
	}
	j := &Join{Before: g.between(0, 20), After: g.between(0, 20), Grace: g.between(0, 30)}
	if g.oneIn(2) {
		j.After = j.Before
	}
	if g.oneIn(3) {
		j.Grace = 0
	}
	if g.oneIn(10) {
		j.After = -g.between(0, j.Before)
	}
	if j.Before+j.After == 0 { // Kafka Streams cannot list a store of such windows
		j.Before++
	}
	n := Node{Op: "join", In: []int{l, r}, Kind: g.pick([]string{"inner", "left", "outer"}), Join: j}
	n.Store = &Store{Name: g.name("j"), Memory: g.oneIn(3)}
	g.add(textStream, n)
	return true
}

func (g *generator) joinTable() bool {
	s, t := g.among(textStream), g.among(textTable, textTable, countTable)
	if s < 0 || t < 0 {
		return false
	}
	n := Node{Op: "joinTable", In: []int{s, t}, Kind: g.pick([]string{"inner", "left"}), F: g.name("jt")}
	if h := g.history[t]; h > 0 && g.oneIn(2) {
		n.Grace = g.between(1, h)
	}
	g.add(textStream, n)
	return true
}

func (g *generator) joinGlobal() bool {
	s, t := g.among(textStream), g.among(globalTable)
	if s < 0 || t < 0 {
		return false
	}
	g.add(textStream, Node{Op: "joinGlobal", In: []int{s, t}, Kind: g.pick([]string{"inner", "left"}), Key: one(g, selectors)})
	return true
}

func (g *generator) tableValues() bool {
	in := g.among(textTable, countTable, windowedTextTable, windowedCountTable)
	if in < 0 {
		return false
	}
	n := Node{In: []int{in}}
	k := g.kinds[in]
	switch g.rng.IntN(3) {
	case 0:
		n.Op, n.F = "filter", one(g, predicates)
	case 1:
		n.Op, n.F = "filterNot", one(g, predicates)
	case 2:
		n.Op, n.F = "mapValues", one(g, mappers)
		switch k {
		case countTable:
			k = textTable
		case windowedCountTable:
			k = windowedTextTable
		}
	}
	if n.Store = g.maybe(); n.Store != nil && k != textTable {
		n.Store.History = 0
	}
	g.add(k, n)
	return true
}

func (g *generator) toStream() bool {
	in := g.among(textTable, windowedTextTable)
	if in < 0 {
		return false
	}
	k := textStream
	if g.kinds[in] == windowedTextTable {
		k = windowedStream
	}
	g.add(k, Node{Op: "toStream", In: []int{in}})
	return true
}

func (g *generator) suppress() bool {
	in := g.among(textTable, countTable, windowedTextTable, windowedCountTable)
	if in < 0 || g.versioned(in) {
		return false
	}
	n := Node{Op: "suppress", In: []int{in}, F: g.name("sup"), Kind: "limit"}
	if g.windows[in] != nil && !g.oneIn(3) {
		n.Kind = "close"
	} else {
		n.Suppress = &Suppress{Wait: g.between(0, 30)}
		if g.oneIn(2) {
			n.Suppress.Max = int(g.between(1, 6))
		}
	}
	g.add(g.kinds[in], n)
	return true
}

// versioned reports whether a table's updates may come from a versioned store
// that no other store follows.
func (g *generator) versioned(id int) bool {
	n := g.nodes[id]
	if n.Store != nil {
		return n.Store.History > 0
	}
	switch n.Op {
	case "filter", "filterNot", "mapValues":
		return g.versioned(n.In[0])
	}
	return false
}

func (g *generator) aggregateTable() bool {
	in := g.among(textTable, countTable, windowedTextTable, windowedCountTable)
	if in < 0 {
		return false
	}
	n := Node{Op: "aggregate", In: []int{in}, Key: one(g, selectors), Agg: g.aggregation()}
	n.Store = g.store(n.Agg != "count" && g.oneIn(3))
	k := textTable
	if n.Agg == "count" {
		k = countTable
	}
	g.add(k, n)
	return true
}

func (g *generator) joinTables() bool {
	l := g.among(textTable, countTable, windowedTextTable, windowedCountTable)
	if l < 0 {
		return false
	}
	r, k := -1, textTable
	if g.windows[l] != nil {
		r, k = g.among(windowedTextTable, windowedCountTable), windowedTextTable
		if a, b := g.windows[l], g.windows[r]; a.Kind != b.Kind || a.Size != b.Size {
			return false
		}
	} else {
		r = g.among(textTable, countTable)
	}
	n := Node{Op: "join", In: []int{l, r}, Kind: g.pick([]string{"inner", "left", "outer"}), Store: g.maybe()}
	if n.Store != nil && k != textTable {
		n.Store.History = 0
	}
	g.add(k, n)
	return true
}

func (g *generator) foreign() bool {
	l, r := g.among(textTable), g.among(textTable)
	if l < 0 || l == r {
		return false
	}
	n := Node{Op: "foreign", In: []int{l, r}, Kind: g.pick([]string{"inner", "left"}), Key: g.pick([]string{"foreign", "foreign", "last", "null5"}), Store: g.maybe()}
	g.add(textTable, n)
	return true
}
