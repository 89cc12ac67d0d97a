package dsl

import (
	"time"

	"github.com/thalweg/thalweg/serde"
	"github.com/thalweg/thalweg/state"
	"github.com/thalweg/thalweg/topology"
)

// A StoreOption changes how the result of an operator is stored.
type StoreOption interface{ store(*storing) }

// storing is what the options of one store say.
type storing struct {
	operator
	as        string
	opts      []state.Option
	retention time.Duration
	history   time.Duration // of versions; 0: no versions
	expire    time.Duration // of rows that are not updated; 0: never
	idle      time.Duration // until time goes on without records; 0: it does not
	serde     any           // of the values
	uses      []topology.Declared
	rowPart   any // func(K, int32) int32 of a foreign-key join, checked when it is used
	otherPart any // func(KO, int32) int32
}

func (n named) store(s *storing) { s.operator.name = string(n) }

type storeOption func(*storing)

func (f storeOption) store(s *storing) { f(s) }

// StoreOrJoinOption is for a store of an operator's result as well as for the
// stores of a join of streams.
type StoreOrJoinOption interface {
	StoreOption
	JoinOption
}

// Stored keeps the result of a table's operator in a store of this name, to be
// queried. Without it, the result is computed when it is needed.
func Stored(name string) StoreOption { return storeOption(func(s *storing) { s.as = name }) }

// Uncached turns off the cache in front of a store: each update is written and
// forwarded at once, not just the last one before a commit.
func Uncached() StoreOption { return withState(state.Uncached()) }

// Unlogged keeps a store without a changelog topic.
func Unlogged() StoreOrJoinOption { return withState(state.Unlogged()) }

// InMemory gives a store the behaviour of Kafka Streams' in-memory one where
// that differs from the persistent one.
func InMemory() StoreOrJoinOption { return withState(state.InMemory()) }

// LogTombstoneHeaders puts the headers of the record that deletes a value on the
// tombstone in the store's changelog, as Kafka Streams does with
// dsl.store.format=HEADERS. It is for other readers of the changelog.
func LogTombstoneHeaders() StoreOption { return withState(state.LogTombstoneHeaders()) }

// LogConfig sets configuration of a store's changelog topic.
func LogConfig(c map[string]string) StoreOrJoinOption { return withState(state.LogConfig(c)) }

func withState(o state.Option) storeOption {
	return func(s *storing) { s.opts = append(s.opts, o) }
}

// Retention keeps windows for d of stream time. It must be at least the size
// of a window and its grace, which is the default.
func Retention(d time.Duration) StoreOption { return storeOption(func(s *storing) { s.retention = d }) }

// Versioned keeps old values of a table for d of stream time, so that joins of
// streams see the value that was valid at their records' timestamps (KIP-889).
// Such a store has no cache.
func Versioned(d time.Duration) StoreOption { return storeOption(func(s *storing) { s.history = d }) }

// ExpireAfter deletes the rows of a table that were not updated for d of stream
// time: with a tombstone in the changelog and, as any deletion, in what is made
// of the table. A row's time is that of its last update's record, so that one
// that comes later than d is deleted again when time moves. Time is that of the
// task: of the latest record it has taken.
//
// Windows, sessions and versions have a retention instead.
func ExpireAfter(d time.Duration) StoreOption { return storeOption(func(s *storing) { s.expire = d }) }

// IdleAfter has Suppress, FinalOnly, left and outer joins of streams, and joins
// with JoinGrace let go of what they hold back though no record comes: when the
// operator's time has not moved for d of the wall clock, it goes on at the wall
// clock's pace, as if records came. Windows have a method of this name, which says
// more about it.
func IdleAfter(d time.Duration) StoreOrJoinOption {
	return storeOption(func(s *storing) { s.idle = d })
}

// ValueSerde sets the serde of the stored values, which must have the type of
// the operator's result; Build checks it.
func ValueSerde[V any](s serde.Serde[V]) StoreOption {
	return storeOption(func(st *storing) { st.serde = s })
}

// Using lets a transformer of a table use the stores.
func Using(stores ...topology.Declared) StoreOption {
	return storeOption(func(s *storing) { s.uses = append(s.uses, stores...) })
}

func storingOf(opts []StoreOption) *storing {
	s := &storing{opts: []state.Option{state.Cached()}}
	for _, o := range opts {
		o.store(s)
	}
	if s.history > 0 {
		s.opts = append(s.opts, state.Uncached())
	}
	if s.expire != 0 {
		s.opts = append(s.opts, state.ExpireAfter(s.expire))
	}
	return s
}

// valueSerde finds the serde of stored values: that of the options, the one
// carried along, or the registered one.
func valueSerde[V any](b *Builder, s *storing, carried serde.Serde[V], where string) serde.Serde[V] {
	if s.serde != nil {
		vs, ok := s.serde.(serde.Serde[V])
		if !ok {
			b.t.Fail("dsl: %s: ValueSerde is a %T, which is for another type", where, s.serde)
			return unknown[V]()
		}
		return vs
	}
	return b.serdeFor(carried, where)
}
