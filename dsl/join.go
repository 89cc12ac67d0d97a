package dsl

// Maybe is a side of a join that may be missing.
type Maybe[V any] struct {
	Value V
	OK    bool
}

// Or returns the value, or other where it is missing.
func (m Maybe[V]) Or(other V) V {
	if m.OK {
		return m.Value
	}
	return other
}

// Pair is both sides of a join, for joins that need no function of their own:
// Join(name, other, window, dsl.Both).
type Pair[L, R any] struct {
	Left  L
	Right R
}

// Both returns its arguments as a Pair.
func Both[L, R any](l L, r R) Pair[L, R] { return Pair[L, R]{l, r} }
