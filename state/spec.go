package state

import (
	"maps"
	"reflect"
	"time"
)

// Type is the type of a store.
type Type string

// The types of stores.
const (
	TypeKeyValue    Type = "key-value"
	TypeTimestamped Type = "timestamped-key-value"
	TypeWindow      Type = "window"
	TypeSession     Type = "session"
	TypeVersioned   Type = "versioned"
	TypeBuffer      Type = "buffer"
)

// Spec describes a store without its types: what a topology plans with, and what
// two versions of one are compared by.
type Spec struct {
	Name string
	Type Type
	// KeyType and ValueType are the Go types, for messages and comparison.
	KeyType, ValueType string
	// Retention is how long windows, sessions and versions are kept, by the
	// store's stream time; WindowSize the size of its windows.
	Retention, WindowSize time.Duration
	// Timestamped tells a window store that keeps a timestamp with each value.
	Timestamped bool
	Duplicates  bool
	TimeOrdered bool
	InMemory    bool
	Cached      bool
	Logged      bool
	// MaxEntries bounds a key-value store; 0 does not.
	MaxEntries int
	// ExpireAfter is for how long a timestamped store keeps a row that is not
	// updated; 0 is for ever.
	ExpireAfter time.Duration
	// RewriteAfter is from how many offsets on a versioned store writes its
	// changelog anew; 0 is 10,000.
	RewriteAfter int
	// LogHeaders puts the headers of the record at hand into the changelog.
	LogHeaders bool
	// LogTombstoneHeaders does so for deletes only.
	LogTombstoneHeaders bool
	// LogConfig is what the user wants of the changelog topic.
	LogConfig map[string]string
}

// TopicConfig returns the configuration of the store's changelog topic. LogConfig
// wins.
//
// No broker deletes from it by its clock: records have the times of the events,
// and a store that is lost in the middle of last year's must come back whole.
// What windows, sessions and versions need no longer goes by the store's own
// stream time, see [Position.Needed], which only a topic whose policy has delete
// allows. That of windows and sessions is compacted too, but for a store with
// duplicates, whose keys never recur; that of versions is not: a compacted topic
// keeps but the last record of a key.
func (s Spec) TopicConfig() map[string]string {
	c := map[string]string{"cleanup.policy": "compact"}
	switch {
	case s.Type == TypeVersioned, s.Type == TypeWindow && s.Duplicates:
		c["cleanup.policy"] = "delete"
	case s.Type == TypeWindow, s.Type == TypeSession:
		c["cleanup.policy"] = "compact,delete"
	}
	if c["cleanup.policy"] != "compact" {
		c["retention.ms"], c["retention.bytes"] = "-1", "-1"
	}
	maps.Copy(c, s.LogConfig)
	return c
}

// An Option changes how a store is kept.
type Option func(*Spec)

// Cached puts a write-back cache of values before the store: of the updates of a
// key between two commits only the last is stored, logged and forwarded.
func Cached() Option { return func(s *Spec) { s.Cached = true } }

// Uncached undoes Cached.
func Uncached() Option { return func(s *Spec) { s.Cached = false } }

// Unlogged keeps the store without a changelog: what is not committed locally
// when a task moves is lost.
func Unlogged() Option { return func(s *Spec) { s.Logged = false } }

// LogConfig sets configuration of the store's changelog topic.
func LogConfig(c map[string]string) Option {
	return func(s *Spec) {
		if s.LogConfig == nil {
			s.LogConfig = map[string]string{}
		}
		maps.Copy(s.LogConfig, c)
	}
}

// LogHeaders puts the headers of the record at hand into the store's changelog,
// as Kafka Streams does for some of its own stores. They are not restored.
func LogHeaders() Option { return func(s *Spec) { s.LogHeaders = true } }

// LogTombstoneHeaders puts the headers of the record at hand on the deletes in
// the store's changelog, as Kafka Streams does with dsl.store.format=HEADERS.
// They are not restored.
func LogTombstoneHeaders() Option { return func(s *Spec) { s.LogTombstoneHeaders = true } }

// InMemory makes the store behave as Kafka Streams' in-memory one where that
// differs from the persistent one: sessions with the same end come with
// descending start, and writes are refused as soon as they are behind the
// retention and not only when their whole segment is.
func InMemory() Option { return func(s *Spec) { s.InMemory = true } }

// MaxEntries keeps of a key-value store the n keys that were read or written
// last. A key that goes is deleted in the changelog too.
func MaxEntries(n int) Option { return func(s *Spec) { s.MaxEntries = n } }

// Duplicates makes a window store keep every value put for a key and time, and
// ignore puts of null. Such a store is never cached.
func Duplicates() Option {
	return func(s *Spec) { s.Duplicates = true }
}

// TimeOrdered makes a window or session store scan all keys in the order of
// time, then key, as emitting closed windows needs it.
func TimeOrdered() Option { return func(s *Spec) { s.TimeOrdered = true } }

func newSpec[K, V any](name string, t Type, opts []Option) Spec {
	s := Spec{
		Name: name, Type: t, Logged: true,
		KeyType: reflect.TypeFor[K]().String(), ValueType: reflect.TypeFor[V]().String(),
	}
	for _, o := range opts {
		o(&s)
	}
	if s.Duplicates {
		s.Cached = false
	}
	return s
}

// with returns a copy of s with options applied.
func (s Spec) with(opts []Option) Spec {
	s.LogConfig = maps.Clone(s.LogConfig)
	for _, o := range opts {
		o(&s)
	}
	if s.Duplicates {
		s.Cached = false
	}
	return s
}
