package dsl_test

import (
	"strings"

	"github.com/thalweg/thalweg/dsl"
	"github.com/thalweg/thalweg/processor"
	"github.com/thalweg/thalweg/windowing"
)

// The functions that operators are given.

func (x *nullTest[T]) keep(k, v T) bool { x.see(k, v); return true }
func (x *nullTest[T]) drop(k, v T) bool { x.see(k, v); return false }

// value is plus with a key, its is the key.
func (x *nullTest[T]) value(k, v T) T { x.see(k, v); return x.of(x.show(v) + "+") }
func (x *nullTest[T]) its(k, v T) T   { x.see(k, v); return k }

func (x *nullTest[T]) fk(k, _ T) (T, bool) { return k, true }

func (x *nullTest[T]) process(_ *processor.Context, r processor.Record[T, T], out *processor.Out[T, T]) error {
	x.see(r.Key, r.Value)
	return out.Forward(r)
}

func (x *nullTest[T]) processValues(_ *processor.Context, r processor.Record[T, T], out *processor.ValueOut[T]) error {
	x.see(r.Key, r.Value)
	if r.NullValue {
		return out.ForwardNull()
	}
	return out.Forward(r.Value)
}

func (x *nullTest[T]) zero() T          { return x.of("0") }
func (x *nullTest[T]) fold(k, v, a T) T { x.see(k, v); return x.of(x.show(a) + x.show(v)) }
func (x *nullTest[T]) tryFold(_ *processor.Context, r processor.Record[T, T], a T) (T, error) {
	return x.fold(r.Key, r.Value, a), nil
}
func (x *nullTest[T]) reduce(a, v T) T   { x.see(v); return x.of(x.show(a) + x.show(v)) }
func (x *nullTest[T]) merge(_, a, _ T) T { return a }
func (x *nullTest[T]) minus(_, v, a T) T { return x.of(strings.TrimSuffix(x.show(a), x.show(v))) }

// The joiners do not ask whether a side is there.

func (x *nullTest[T]) both(l, r T) T                       { x.see(l, r); return x.of(x.show(l) + x.show(r)) }
func (x *nullTest[T]) keyed(_, l, r T) T                   { return x.both(l, r) }
func (x *nullTest[T]) left(l T, r dsl.Maybe[T]) T          { return x.both(l, r.Value) }
func (x *nullTest[T]) leftKeyed(_, l T, r dsl.Maybe[T]) T  { return x.both(l, r.Value) }
func (x *nullTest[T]) outer(l, r dsl.Maybe[T]) T           { return x.both(l.Value, r.Value) }
func (x *nullTest[T]) outerKeyed(_ T, l, r dsl.Maybe[T]) T { return x.both(l.Value, r.Value) }

// count, bare and plainCount make streams of texts of tables.
func (x *nullTest[T]) count(t dsl.Table[T, int64]) dsl.Stream[T, T] {
	return t.ToStream().MapValues(func(n int64) T { return x.of(strings.Repeat("|", int(n))) })
}

func (x *nullTest[T]) bare(t dsl.Table[windowing.Windowed[T], T]) dsl.Stream[T, T] {
	return t.ToStream().SelectKey(func(w windowing.Windowed[T], _ T) T { return w.Key })
}

func (x *nullTest[T]) plainCount(t dsl.Table[windowing.Windowed[T], int64]) dsl.Stream[T, T] {
	return t.ToStream().Map(func(w windowing.Windowed[T], n int64) (T, T) { return w.Key, x.of(strings.Repeat("|", int(n))) })
}

// byText is an aggregator of texts.
type byText[T any] struct{ x *nullTest[T] }

func (a byText[T]) Zero() T         { return a.x.of("0") }
func (a byText[T]) Add(s, v T) T    { a.x.see(v); return a.x.of(a.x.show(s) + a.x.show(v)) }
func (a byText[T]) Merge(s, _ T) T  { return s }
func (a byText[T]) Remove(s, v T) T { return a.x.of(strings.TrimSuffix(a.x.show(s), a.x.show(v))) }

// transformText adds a sign to rows.
type transformText[T any] struct{ x *nullTest[T] }

func (t transformText[T]) Transform(_ *processor.Context, k T, v dsl.Maybe[T]) (dsl.Maybe[T], error) {
	t.x.see(k, v.Value)
	if v.OK {
		v.Value = t.x.of(t.x.show(v.Value) + "+")
	}
	return v, nil
}
