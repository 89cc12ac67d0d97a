package topology

import (
	"reflect"

	"github.com/thalweg/thalweg/processor"
)

// A Wrapper is what [Builder.Wrap] puts around one processor of the user's.
type Wrapper struct {
	// New makes the interceptor of one task. Nil: there is none.
	New func() processor.Interceptor
	// Stores are connected to the processor, for the interceptor. Processors
	// that share a store are one sub-topology, so each will have its own.
	Stores []Declared
}

// Wrap has f called by Build for each processor of the user's, by the name of
// its node: those of AddProcessor, of global and read-only stores, and of package
// dsl's Process, ProcessValues and TransformValues. What it returns is put around
// that processor (as in KIP-1112). Of several the first is outermost.
func (b *Builder) Wrap(f func(node string) Wrapper) { b.wraps = append(b.wraps, f) }

// wrapProcessors asks what to put around each processor.
func (b *Builder) wrapProcessors() {
	for _, n := range b.nodes {
		if !n.User || n.Kind == 0 {
			continue
		}
		for _, f := range b.wraps {
			w := f(n.Name)
			for _, h := range w.Stores {
				b.AddStore(h)
				b.connect(n.ID, h.StoreName())
			}
			n.wrappers = append(n.wrappers, w)
		}
	}
}

// CheckMake reports a function that gives the same processor twice, or none: two
// tasks would share its fields. It calls make, as often as it must to see that,
// while the topology is built; what it made is not used.
func CheckMake[P any](b *Builder, node string, make func() P) {
	if make == nil {
		b.Fail("topology: processor %q: there is no function that makes it", node)
		return
	}
	switch reflect.TypeFor[P]().Kind() {
	case reflect.Pointer, reflect.Map, reflect.Interface:
	default:
		return // a copy each time
	}
	x, y := reflect.ValueOf(make()), reflect.ValueOf(make())
	if !x.IsValid() || !y.IsValid() {
		b.Fail("topology: processor %q: the function that makes it returned nil", node)
		return
	}
	switch x.Kind() {
	case reflect.Pointer, reflect.Map:
	default:
		return
	}
	switch {
	case x.IsNil():
		b.Fail("topology: processor %q: the function that makes it returned nil", node)
	case x.Kind() == reflect.Pointer && x.Type().Elem().Size() == 0:
		// Pointers to nothing may be equal, and share nothing.
	case y.Kind() == x.Kind() && x.Pointer() == y.Pointer():
		b.Fail("topology: processor %q: the function that makes it returned the same %v twice: each task needs one of its own", node, x.Type())
	}
}
