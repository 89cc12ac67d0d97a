package dsl

import (
	"github.com/thalweg/thalweg/internal/null"
	"github.com/thalweg/thalweg/processor"
	"github.com/thalweg/thalweg/serde"
)

// Nulls of plain types, which are those without a null of their own. All nodes
// follow one rule:
//
//  1. A function on whose result more than a value depends is called for every
//     record: whether the record goes on and where, under which key, what is done
//     beside. A null is shown to it as the zero value.
//  2. A null value stays null. A function that computes nothing but values is not
//     called for it (passes), and one that computes other things too has its
//     values replaced (forwardPair). Where a value is needed (a join, an aggregate)
//     there is none: the record is dropped and counted.
//  3. What is missing is the zero value (orZero).
//
// So a deletion goes where the row went that it deletes, and never becomes one.
// Types with a null of their own show it to every function, and take any null
// that one returns.

// nulls are the tests for null of a key and a value; nil where the type is plain.
type nulls[K, V any] struct {
	key   func(K) bool
	value func(V) bool
}

func nullsOf[K, V any](ks serde.Serde[K], vs serde.Serde[V]) nulls[K, V] {
	return nulls[K, V]{null.Test(ks), null.Test(vs)}
}

// plain reports whether values of V have no null of their own.
func plain[V any](vs serde.Serde[V]) bool { return null.Test(vs) == nil }

// passes reports whether the record at hand has a null value that stays null,
// which it does in plain types.
func passes(f *processor.Frame, plain bool) bool { return plain && f.NullValue }

// forwardValue forwards a record with a new value and sets the frame back.
func forwardValue[K, V any](c *processor.Context, next processor.Node[K, V], k K, v V, isNull func(V) bool) error {
	f := c.Frame()
	was := f.NullValue
	f.NullValue = isNull != nil && isNull(v)
	err := next.Process(c, k, v)
	f.NullValue = was
	return err
}

// pairs says what is null of the keys and values that a function has made of
// records.
type pairs[K, V any] struct {
	nulls[K, V]
	plain bool // the function was given plain values
}

func pairsOf[V, KR, VR any](from serde.Serde[V], ks serde.Serde[KR], vs serde.Serde[VR]) pairs[KR, VR] {
	return pairs[KR, VR]{nullsOf(ks, vs), plain(from)}
}

// forwardPair forwards a record with a new key and value and sets the frame
// back.
func forwardPair[K, V any](c *processor.Context, next processor.Node[K, V], k K, v V, n *pairs[K, V]) error {
	f := c.Frame()
	nk, nv := f.NullKey, f.NullValue
	f.NullKey = n.key != nil && n.key(k)
	if passes(f, n.plain) {
		v = orZero(v, false)
	} else {
		f.NullValue = n.value != nil && n.value(v)
	}
	err := next.Process(c, k, v)
	f.NullKey, f.NullValue = nk, nv
	return err
}

// recordOf is the record at hand for functions that take all of it.
func recordOf[K, V any](f *processor.Frame, k K, v V) processor.Record[K, V] {
	return processor.Record[K, V]{
		Key: k, Value: v, Timestamp: f.Timestamp, Headers: f.Headers, NullKey: f.NullKey, NullValue: f.NullValue,
	}
}

// orZero is v if it is there, and the zero value if not. It stands wherever a
// function of the user's says whether there is a value: what it leaves in one
// that is not there must not be seen by another function.
func orZero[V any](v V, has bool) V {
	if !has {
		var none V
		return none
	}
	return v
}

// present reports whether v is not null.
func present[V any](v V, isNull func(V) bool) bool { return isNull == nil || !isNull(v) }
