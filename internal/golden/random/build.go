package random

import (
	"fmt"
	"iter"
	"time"

	"github.com/thalweg/thalweg/dsl"
	"github.com/thalweg/thalweg/internal/quirk"
	"github.com/thalweg/thalweg/serde"
	"github.com/thalweg/thalweg/topology"
	"github.com/thalweg/thalweg/windowing"
)

var textSerde = serde.Nullable(serde.String)

// assembly is a program on its way to a topology.
type assembly struct {
	b       *dsl.Builder
	program Program
	made    []any           // what each node is: a stream, a table, ...
	windows map[int]*Window // of nodes with windowed keys
}

// Build makes the topology of a case with the public API.
func Build(c Case) (*topology.Topology, error) {
	a := &assembly{b: dsl.NewBuilder().Reproduce(quirk.All).Use(textSerde), program: c.Program, windows: map[int]*Window{}}
	if c.Config["topology.optimization"] == "all" {
		a.b.Optimise(dsl.OptimiseAll)
	}
	for id, n := range c.Program.Nodes {
		if len(n.In) > 0 && n.Window == nil {
			a.windows[id] = a.windows[n.In[0]]
		}
		if n.Window != nil {
			a.windows[id] = n.Window
		}
		x, err := a.add(n)
		if err != nil {
			return nil, fmt.Errorf("random: node %d, %s: %w", id, n.Op, err)
		}
		a.made = append(a.made, x)
	}
	return a.b.Build()
}

func ms(n int64) time.Duration { return time.Duration(n) * time.Millisecond }

func texts(topic string) topology.Topic[text, text] {
	return topology.NewTopic(topic, textSerde, textSerde)
}

// options says how a result is stored. An aggregation is always stored and its
// store's name is an argument of its own.
func (s *Store) options(named bool) (opts []dsl.StoreOption) {
	if s == nil {
		return nil
	}
	if named {
		opts = append(opts, dsl.Stored(s.Name))
	}
	if s.Uncached {
		opts = append(opts, dsl.Uncached())
	}
	if s.Memory {
		opts = append(opts, dsl.InMemory())
	}
	if s.History > 0 {
		opts = append(opts, dsl.Versioned(ms(s.History)))
	}
	if s.Retention > 0 {
		opts = append(opts, dsl.Retention(ms(s.Retention)))
	}
	return opts
}

func (a *assembly) add(n Node) (any, error) {
	switch n.Op {
	case "stream":
		return a.b.Stream(texts(n.Topic)), nil
	case "table":
		if n.Store == nil {
			return a.b.TableOf(texts(n.Topic)), nil
		}
		return a.b.Table(texts(n.Topic), n.Store.Name, n.Store.options(false)...), nil
	case "global":
		return a.b.GlobalTable(texts(n.Topic), n.Store.Name), nil
	case "case":
		return a.made[n.In[0]].([]dsl.Stream[text, text])[n.Case], nil
	case "cogroup":
		return a.cogroup(n), nil
	}
	switch in := a.made[n.In[0]].(type) {
	case dsl.Stream[text, text]:
		return a.textStream(n, in)
	case dsl.Stream[text, int64]:
		return nil, sink(a, n, in)
	case dsl.Stream[windowed, text]:
		return a.windowedStream(n, in)
	case dsl.Stream[windowed, int64]:
		return nil, sink(a, n, in)
	case dsl.Table[text, text]:
		return a.textTable(n, in)
	case dsl.Table[text, int64]:
		return table(a, n, in)
	case dsl.Table[windowed, text]:
		return windowedTable(a, n, in)
	case dsl.Table[windowed, int64]:
		return windowedTable(a, n, in)
	default:
		return nil, fmt.Errorf("cannot follow a %T", in)
	}
}

// sink writes a stream to a topic.
func sink[K, V any](a *assembly, n Node, s dsl.Stream[K, V]) error {
	if n.Op != "to" {
		return fmt.Errorf("cannot follow a %T", s)
	}
	switch s := any(s).(type) {
	case dsl.Stream[text, text]:
		s.To(texts(n.Topic))
	case dsl.Stream[text, int64]:
		s.To(topology.NewTopic(n.Topic, textSerde, serde.Int64))
	case dsl.Stream[windowed, text]:
		s.To(topology.NewTopic(n.Topic, a.windows[n.In[0]].keys(), textSerde))
	case dsl.Stream[windowed, int64]:
		s.To(topology.NewTopic(n.Topic, a.windows[n.In[0]].keys(), serde.Int64))
	}
	return nil
}

func (w *Window) keys() serde.Serde[windowed] {
	if w.Kind == "session" {
		return windowing.SessionKey(textSerde)
	}
	return windowing.TimeKey(textSerde, windowing.EndAfter(w.Size))
}

// stream adds the operators that streams of all types have.
func stream[K any](a *assembly, n Node, s dsl.Stream[K, text]) (any, error) {
	switch n.Op {
	case "filter":
		return s.Filter(predicate[K, text](n.F)), nil
	case "filterNot":
		return s.FilterNot(predicate[K, text](n.F)), nil
	case "mapValues":
		return s.MapValuesWithKey(mapper[K, text](n.F)), nil
	case "map":
		key, value := selectors[n.Key], mappers[n.F]
		return s.Map(func(k K, v text) (text, text) { return key(textOf(k), v), value(textOf(k), v) }), nil
	case "selectKey":
		return s.SelectKey(selector[K, text](n.Key)), nil
	case "flatMap":
		spread := spreaders[n.F]
		return s.FlatMap(func(k K, v text) iter.Seq2[text, text] {
			return func(yield func(text, text) bool) {
				spread(textOf(k), v, func(k, v text) { yield(k, v) })
			}
		}), nil
	case "flatMapValues":
		spread := spreaders[n.F]
		return s.FlatMapValuesWithKey(func(k K, v text) iter.Seq[text] {
			return func(yield func(text) bool) {
				spread(textOf(k), v, func(_, v text) { yield(v) })
			}
		}), nil
	}
	return nil, sink(a, n, s)
}

func (a *assembly) windowedStream(n Node, s dsl.Stream[windowed, text]) (any, error) {
	if n.Op == "aggregate" {
		return a.aggregateStream(n, s.GroupBy(selector[windowed, text](n.Key)))
	}
	return stream(a, n, s)
}

func (a *assembly) textStream(n Node, s dsl.Stream[text, text]) (any, error) {
	switch n.Op {
	case "merge":
		return s.Merge(a.made[n.In[1]].(dsl.Stream[text, text])), nil
	case "split":
		split := s.Split()
		var cases []dsl.Stream[text, text]
		for i, f := range n.Cases {
			cases = append(cases, split.Case(fmt.Sprint(i), predicates[f]))
		}
		return append(cases, split.Default("rest")), nil
	case "process":
		return process(n, s), nil
	case "repartition":
		return s.Repartition(n.F), nil
	case "toTable":
		return s.ToTable(n.Store.Name, n.Store.options(false)...), nil
	case "aggregate":
		if n.Key == "" {
			return a.aggregateStream(n, s.GroupByKey())
		}
		return a.aggregateStream(n, s.GroupBy(selectors[n.Key]))
	case "join":
		return joinStreams(n, s, a.made[n.In[1]].(dsl.Stream[text, text])), nil
	case "joinTable":
		return joinTable(n, s, a.made[n.In[1]])
	case "joinGlobal":
		g := a.made[n.In[1]].(dsl.GlobalTable[text, text])
		if n.Kind == "left" {
			return s.LeftJoinGlobal(g, selectors[n.Key], leftJoined), nil
		}
		return s.JoinGlobal(g, selectors[n.Key], joined), nil
	}
	return stream(a, n, s)
}

func predicate[K, V any](f string) func(K, V) bool {
	p := predicates[f]
	return func(k K, v V) bool { return p(textOf(k), textOf(v)) }
}

func mapper[K, V any](f string) func(K, V) text {
	m := mappers[f]
	return func(k K, v V) text { return m(textOf(k), textOf(v)) }
}

func selector[K, V any](f string) func(K, V) text {
	s := selectors[f]
	return func(k K, v V) text { return s(textOf(k), textOf(v)) }
}
