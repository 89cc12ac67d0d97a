package dsl

import (
	"github.com/thalweg/thalweg/internal/null"
	"github.com/thalweg/thalweg/processor"
	"github.com/thalweg/thalweg/topology"
)

// Process runs a processor of the user's on each record. make is called once
// for each task, and may return its own type: KO and VO are inferred from that
// type's methods. The processor may use the given stores; those not declared
// before are declared here. It may change keys.
func (s Stream[K, V]) Process[P processor.Processor[K, V, KO, VO], KO, VO any](name string, make func() P, stores ...topology.Declared) Stream[KO, VO] {
	name = s.b.name(name, "process", s.p.Node())
	topology.CheckMake(s.b.t, name, make)
	p := topology.Attach(s.b.t, topology.Spec{Name: name, Op: "process", Stores: s.b.declare(stores), User: true}, func(w *topology.Wiring, id int, out *topology.Port[KO, VO]) processor.Node[K, V] {
		o := processor.NewOut(w.Context, name, out.Wire(w), null.Test[KO](nil), null.Test[VO](nil))
		return processor.NewUserNode(make(), o, w.UserScope(id))
	}, s.p)
	return Stream[KO, VO]{b: s.b, p: p, srcs: s.srcs, rekeyed: true}
}

// ProcessFunc is Process for a processor without state.
func (s Stream[K, V]) ProcessFunc[KO, VO any](name string, f func(c *processor.Context, r processor.Record[K, V], out *processor.Out[KO, VO]) error, stores ...topology.Declared) Stream[KO, VO] {
	return s.Process[processor.Func[K, V, KO, VO], KO, VO](name, func() processor.Func[K, V, KO, VO] { return f }, stores...)
}

// ProcessValues is Process for a processor that cannot change keys, so that
// nothing is repartitioned below.
func (s Stream[K, V]) ProcessValues[P processor.ValueProcessor[K, V, VO], VO any](name string, make func() P, stores ...topology.Declared) Stream[K, VO] {
	name = s.b.name(name, "process-values", s.p.Node())
	topology.CheckMake(s.b.t, name, make)
	p := topology.Attach(s.b.t, topology.Spec{Name: name, Op: "process-values", Stores: s.b.declare(stores), User: true}, func(w *topology.Wiring, id int, out *topology.Port[K, VO]) processor.Node[K, V] {
		return processor.NewValueNode(make(), out.Next(w), w.UserScope(id), null.Test[VO](nil))
	}, s.p)
	return Stream[K, VO]{b: s.b, p: p, ks: s.ks, srcs: s.srcs, rekeyed: s.rekeyed}
}

// ProcessValuesFunc is ProcessValues for a processor without state.
func (s Stream[K, V]) ProcessValuesFunc[VO any](name string, f func(c *processor.Context, r processor.Record[K, V], out *processor.ValueOut[VO]) error, stores ...topology.Declared) Stream[K, VO] {
	return s.ProcessValues[processor.ValueFunc[K, V, VO], VO](name, func() processor.ValueFunc[K, V, VO] { return f }, stores...)
}

// Store declares a store that several processors share: each gets it passed.
func (b *Builder) Store(h topology.Declared) { b.t.AddStore(h) }

// own declares the store of an operator. Only stores of processors are shared.
func (b *Builder) own(h topology.Declared) {
	if b.t.Store(h.StoreName()) != nil {
		b.t.Fail("dsl: two operators keep something in store %q", h.StoreName())
		return
	}
	b.t.AddStore(h)
}

func (b *Builder) declare(stores []topology.Declared) []string {
	names := make([]string, len(stores))
	for i, h := range stores {
		b.t.AddStore(h)
		names[i] = h.StoreName()
	}
	return names
}

// Wrap has f called by Build for each processor of the program, by the name of
// its operator: what f returns is put around that processor.
func (b *Builder) Wrap(f func(node string) topology.Wrapper) *Builder {
	b.t.Wrap(f)
	return b
}
