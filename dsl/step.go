package dsl

import "github.com/thalweg/thalweg/processor"

// A fold takes a value into an aggregate, or out of it. It is plain, or it may
// fail and sees the whole record.
type fold[K, V, A any] struct {
	plain func(K, V, A) A
	try   func(*processor.Context, processor.Record[K, V], A) (A, error) // in place of plain
}

func (f *fold[K, V, A]) call(c *processor.Context, k K, v V, a A) (A, error) {
	if f.try != nil {
		return f.try(c, recordOf(c.Frame(), k, v), a)
	}
	return f.plain(k, v, a), nil
}

// step is one aggregation: what happens to an aggregate when a value comes, when
// the row of a grouped table leaves, and when two sessions become one. Whatever
// of it fails, the aggregate stays as it was.
type step[K, V, A any] struct {
	zero  func() A  // nil: the first value makes the first aggregate
	one   func(V) A // with zero nil
	add   fold[K, V, A]
	sub   fold[K, V, A] // of grouped tables
	merge fold[K, A, A] // of sessions: takes the later aggregate into the earlier one
	null  bool          // add counts records, whether they have a value or not
}

// apply returns the next aggregate, and the one before: that is what zero made
// when there was none.
func (s *step[K, V, A]) apply(c *processor.Context, k K, v V, old A, has bool) (was, now A, err error) {
	defer processor.Recover(&err)
	if !has {
		if s.zero == nil {
			return old, s.one(v), nil
		}
		old = s.zero()
	}
	now, err = s.add.call(c, k, v, old)
	return old, now, err
}

func countStep[K, V any]() step[K, V, int64] {
	return step[K, V, int64]{
		zero:  func() int64 { return 0 },
		add:   fold[K, V, int64]{plain: func(_ K, _ V, n int64) int64 { return n + 1 }},
		sub:   fold[K, V, int64]{plain: func(_ K, _ V, n int64) int64 { return n - 1 }},
		merge: fold[K, int64, int64]{plain: func(_ K, b, a int64) int64 { return a + b }},
		null:  true,
	}
}

// reduceStep takes values into each other. For grouped tables sub takes one out.
func reduceStep[K, V any](add, sub func(a, v V) V) step[K, V, V] {
	in := fold[K, V, V]{plain: func(_ K, v, a V) V { return add(a, v) }}
	out := fold[K, V, V]{plain: func(_ K, v, a V) V { return sub(a, v) }}
	return step[K, V, V]{one: func(v V) V { return v }, add: in, sub: out, merge: in}
}

func tryReduceStep[K, V any](add, sub func(*processor.Context, processor.Record[K, V], V) (V, error)) step[K, V, V] {
	in := fold[K, V, V]{try: add}
	return step[K, V, V]{one: func(v V) V { return v }, add: in, sub: fold[K, V, V]{try: sub}, merge: in}
}

func aggregateStep[K, V, A any](zero func() A, add func(K, V, A) A) step[K, V, A] {
	return step[K, V, A]{zero: zero, add: fold[K, V, A]{plain: add}}
}

func tryAggregateStep[K, V, A any](zero func() A, add func(*processor.Context, processor.Record[K, V], A) (A, error)) step[K, V, A] {
	return step[K, V, A]{zero: zero, add: fold[K, V, A]{try: add}}
}

// taking completes the step of a grouped table.
func (s step[K, V, A]) taking(sub fold[K, V, A]) step[K, V, A] { s.sub = sub; return s }

// merging completes the step of sessions.
func (s step[K, V, A]) merging(merge func(k K, a, b A) A) step[K, V, A] {
	s.merge = fold[K, A, A]{plain: func(k K, b, a A) A { return merge(k, a, b) }}
	return s
}
