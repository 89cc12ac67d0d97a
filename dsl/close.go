package dsl

import (
	"math"

	"github.com/thalweg/thalweg/internal/quirk"
	"github.com/thalweg/thalweg/processor"
)

// closer remembers up to which time closed windows were emitted. The time
// travels with the committed offsets, so that no window is emitted again by a
// task that takes over. (KIP-825)
type closer struct {
	key    string // in the metadata of the offsets
	last   int64  // -1: nothing was emitted yet
	read   bool
	behind bool // the record is stored first
}

func newCloser(b *Builder, store string) *closer {
	return &closer{key: store, last: -1, behind: b.quirks.Has(quirk.ExpiredUnseen)}
}

// around emits the windows that a record closes and stores the record. A store
// keeps windows for as long as they are open, by the time of what is stored, so
// they are emitted before: the record that closes them may be much later.
func (e *closer) around(emit, store func() error) error {
	if e.behind {
		emit, store = store, emit
	}
	if err := emit(); err != nil {
		return err
	}
	return store()
}

// due reports whether to look for windows that closed by the given time: it has
// moved. Kafka Streams looks once a second by the wall clock, and loses what
// expires meanwhile, which is the more the faster old records are read.
func (e *closer) due(c *processor.Context, closed int64) bool {
	if !e.read {
		e.read = true
		if at, ok := c.Metadata(e.key); ok {
			e.last = at
		}
	}
	return e.last < 0 || e.last < closed
}

// done notes that everything closed by then was emitted.
func (e *closer) done(c *processor.Context, closed int64) {
	e.last = closed
	c.SetMetadata(e.key, closed)
}

// plus adds times, and stays within their range.
func plus(a, b int64) int64 {
	switch s := a + b; {
	case a > 0 && b > 0 && s < 0:
		return math.MaxInt64
	case a < 0 && b < 0 && s >= 0:
		return math.MinInt64
	default:
		return s
	}
}
