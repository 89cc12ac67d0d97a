package random

import (
	"fmt"
	"iter"
	"time"

	"github.com/thalweg/thalweg/dsl"
	"github.com/thalweg/thalweg/internal/quirk"
	"github.com/thalweg/thalweg/processor"
	"github.com/thalweg/thalweg/serde"
	"github.com/thalweg/thalweg/topology"
	"github.com/thalweg/thalweg/windowing"
)

// assembly is a program on its way to a topology.
type assembly[T any] struct {
	types[T]
	b       *dsl.Builder
	program Program
	made    []any           // what each node is: a stream, a table, ...
	windows map[int]*Window // of nodes with windowed keys
}

// Build makes the topology of a case with the public API.
func Build(c Case) (*topology.Topology, error) {
	if c.Program.Plain {
		return build(plain, c)
	}
	return build(nullable, c)
}

func build[T any](t types[T], c Case) (*topology.Topology, error) {
	a := &assembly[T]{types: t, b: dsl.NewBuilder().Reproduce(quirk.All).Use(t.serde), program: c.Program, windows: map[int]*Window{}}
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

func (a *assembly[T]) topic(name string) topology.Topic[T, T] {
	return topology.NewTopic(name, a.serde, a.serde)
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

func (a *assembly[T]) add(n Node) (any, error) {
	switch n.Op {
	case "stream":
		return a.b.Stream(a.topic(n.Topic)), nil
	case "table":
		if n.Store == nil {
			return a.b.TableOf(a.topic(n.Topic)), nil
		}
		return a.b.Table(a.topic(n.Topic), n.Store.Name, n.Store.options(false)...), nil
	case "global":
		return a.b.GlobalTable(a.topic(n.Topic), n.Store.Name), nil
	case "case":
		return a.made[n.In[0]].([]dsl.Stream[T, T])[n.Case], nil
	case "cogroup":
		return a.cogroup(n), nil
	}
	switch in := a.made[n.In[0]].(type) {
	case dsl.Stream[T, T]:
		return a.textStream(n, in)
	case dsl.Stream[T, int64]:
		return nil, sink(a, n, in)
	case dsl.Stream[windowing.Windowed[T], T]:
		return a.windowedStream(n, in)
	case dsl.Stream[windowing.Windowed[T], int64]:
		return nil, sink(a, n, in)
	case dsl.Table[T, T]:
		return a.textTable(n, in)
	case dsl.Table[T, int64]:
		return table(a, n, in)
	case dsl.Table[windowing.Windowed[T], T]:
		return windowedTable(a, n, in)
	case dsl.Table[windowing.Windowed[T], int64]:
		return windowedTable(a, n, in)
	default:
		return nil, fmt.Errorf("cannot follow a %T", in)
	}
}

// sink writes a stream to a topic.
func sink[T, K, V any](a *assembly[T], n Node, s dsl.Stream[K, V]) error {
	if n.Op != "to" {
		return fmt.Errorf("cannot follow a %T", s)
	}
	switch s := any(s).(type) {
	case dsl.Stream[T, T]:
		s.To(a.topic(n.Topic))
	case dsl.Stream[T, int64]:
		s.To(topology.NewTopic(n.Topic, a.serde, serde.Int64))
	case dsl.Stream[windowing.Windowed[T], T]:
		s.To(topology.NewTopic(n.Topic, keysOf(a.windows[n.In[0]], a.serde), a.serde))
	case dsl.Stream[windowing.Windowed[T], int64]:
		s.To(topology.NewTopic(n.Topic, keysOf(a.windows[n.In[0]], a.serde), serde.Int64))
	}
	return nil
}

func keysOf[T any](w *Window, s serde.Serde[T]) serde.Serde[windowing.Windowed[T]] {
	if w.Kind == "session" {
		return windowing.SessionKey(s)
	}
	return windowing.TimeKey(s, windowing.EndAfter(w.Size))
}

// stream adds the operators that streams of all types have.
func stream[T, K any](a *assembly[T], n Node, s dsl.Stream[K, T]) (any, error) {
	t := a.types
	switch n.Op {
	case "filter":
		return s.Filter(predicate[T, K, T](t, n.F)), nil
	case "filterNot":
		return s.FilterNot(predicate[T, K, T](t, n.F)), nil
	case "mapValues":
		return s.MapValuesWithKey(mapper[T, K, T](t, n.F)), nil
	case "map":
		key, value := selector[T, K, T](t, n.Key), mapper[T, K, T](t, n.F)
		return s.Map(func(k K, v T) (T, T) { return key(k, v), value(k, v) }), nil
	case "selectKey":
		return s.SelectKey(selector[T, K, T](t, n.Key)), nil
	case "flatMap":
		spread := spreaders[n.F]
		return s.FlatMap(func(k K, v T) iter.Seq2[T, T] {
			return func(yield func(T, T) bool) {
				spread(t.text(k), t.in(v), func(k, v text) { yield(t.out(k), t.out(v)) })
			}
		}), nil
	case "flatMapValues":
		spread := spreaders[n.F]
		return s.FlatMapValuesWithKey(func(k K, v T) iter.Seq[T] {
			return func(yield func(T) bool) {
				spread(t.text(k), t.in(v), func(_, v text) { yield(t.out(v)) })
			}
		}), nil
	}
	return nil, sink(a, n, s)
}

func (a *assembly[T]) windowedStream(n Node, s dsl.Stream[windowing.Windowed[T], T]) (any, error) {
	if n.Op == "aggregate" {
		return a.aggregateStream(n, present(a, n, s).GroupBy(selector[T, windowing.Windowed[T], T](a.types, n.Key)))
	}
	return stream(a, n, s)
}

// present leaves out null values where windows of plain types are aggregated,
// which take none: Kafka Streams gives them to the aggregator.
func present[T, K any](a *assembly[T], n Node, s dsl.Stream[K, T]) dsl.Stream[K, T] {
	if !a.program.Plain || n.Window == nil || n.Agg == "count" {
		return s
	}
	return s.TryFilter(func(_ *processor.Context, r processor.Record[K, T]) (bool, error) { return !r.NullValue, nil })
}

func (a *assembly[T]) textStream(n Node, s dsl.Stream[T, T]) (any, error) {
	switch n.Op {
	case "merge":
		return s.Merge(a.made[n.In[1]].(dsl.Stream[T, T])), nil
	case "split":
		split := s.Split()
		var cases []dsl.Stream[T, T]
		for i, f := range n.Cases {
			cases = append(cases, split.Case(fmt.Sprint(i), predicate[T, T, T](a.types, f)))
		}
		return append(cases, split.Default("rest")), nil
	case "process":
		return process(a.types, n, s), nil
	case "repartition":
		return s.Repartition(n.F), nil
	case "toTable":
		return s.ToTable(n.Store.Name, n.Store.options(false)...), nil
	case "aggregate":
		if s = present(a, n, s); n.Key == "" {
			return a.aggregateStream(n, s.GroupByKey())
		}
		return a.aggregateStream(n, s.GroupBy(selector[T, T, T](a.types, n.Key)))
	case "join":
		return joinStreams(a.types, n, s, a.made[n.In[1]].(dsl.Stream[T, T])), nil
	case "joinTable":
		return joinTable(a.types, n, s, a.made[n.In[1]])
	case "joinGlobal":
		g, key := a.made[n.In[1]].(dsl.GlobalTable[T, T]), selector[T, T, T](a.types, n.Key)
		if n.Kind == "left" {
			return s.LeftJoinGlobal(g, key, a.leftJoined), nil
		}
		return s.JoinGlobal(g, key, a.types.joined), nil
	}
	return stream(a, n, s)
}
