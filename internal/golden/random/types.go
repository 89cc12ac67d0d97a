package random

import (
	"strconv"

	"github.com/thalweg/thalweg/dsl"
	"github.com/thalweg/thalweg/serde"
	"github.com/thalweg/thalweg/windowing"
)

// types are the Go types of a program: T is that of its keys and values. Counts
// are numbers.
type types[T any] struct {
	serde serde.Serde[T]
	in    func(T) text // as functions see it
	out   func(text) T // what they give
}

var (
	// nullable texts show their nulls.
	nullable = types[*string]{serde.Nullable(serde.String), func(s *string) text { return s }, func(t text) *string { return t }}
	// plain texts have no null: functions see the empty text, and give it.
	plain = types[string]{serde.String, func(s string) text { return &s }, func(t text) string {
		if t == nil {
			return ""
		}
		return *t
	}}
)

// text writes a key or a value as text.
func (t types[T]) text(x any) text {
	switch x := x.(type) {
	case T:
		return t.in(x)
	case int64:
		return new(strconv.FormatInt(x, 10))
	case windowing.Windowed[T]:
		return new(show(t.in(x.Key)) + "@" + strconv.FormatInt(x.Start, 10) + "-" + strconv.FormatInt(x.End, 10))
	}
	panic("random: not a text, a count or a windowed text")
}

// side is a side of a join that may be missing, as text. It is not asked whether
// it is there, but for a count: that which is missing is no 0 in Java.
func side[T, V any](t types[T], m dsl.Maybe[V]) text {
	if _, count := any(m.Value).(int64); count && !m.OK {
		var none T
		return t.in(none)
	}
	return t.text(m.Value)
}

func (t types[T]) empty() T { return t.out(new("")) }

func (t types[T]) joined(l, r T) T { return t.out(joined(t.in(l), t.in(r))) }

func (t types[T]) leftJoined(l T, r dsl.Maybe[T]) T { return t.joined(l, r.Value) }

func (t types[T]) outerJoined(l, r dsl.Maybe[T]) T { return t.joined(l.Value, r.Value) }

func (t types[T]) merged(_, a, b T) T { return t.out(merged(t.in(a), t.in(b))) }

func (t types[T]) reducer(f string) func(a, v T) T {
	r := reducers[f]
	return func(a, v T) T { return t.out(r(t.in(a), t.in(v))) }
}

func (t types[T]) adder(f string) func(k, v, sum T) T {
	r := t.reducer(f)
	return func(_, v, sum T) T { return r(sum, v) }
}

func predicate[T, K, V any](t types[T], f string) func(K, V) bool {
	p := predicates[f]
	return func(k K, v V) bool { return p(t.text(k), t.text(v)) }
}

func mapper[T, K, V any](t types[T], f string) func(K, V) T {
	m := mappers[f]
	return func(k K, v V) T { return t.out(m(t.text(k), t.text(v))) }
}

func selector[T, K, V any](t types[T], f string) func(K, V) T {
	s := selectors[f]
	return func(k K, v V) T { return t.out(s(t.text(k), t.text(v))) }
}
