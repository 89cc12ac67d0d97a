package pebble

import (
	"bytes"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"github.com/thalweg/thalweg/state"
)

type iterator struct {
	e       *engine
	it      *pebble.Iterator // nil when it could not be made, or is closed
	reverse bool
	started bool
	err     error
}

func (e *engine) scan(r pebble.Reader, lo, hi []byte, reverse bool) state.Iterator {
	e.mu.RLock()
	defer e.mu.RUnlock()
	if e.closed {
		return &iterator{err: state.ErrClosed}
	}
	if hi != nil && bytes.Compare(lo, hi) >= 0 {
		return &iterator{}
	}
	it, err := r.NewIter(&pebble.IterOptions{LowerBound: lo, UpperBound: hi})
	if err != nil {
		return &iterator{err: fmt.Errorf("pebble: scan: %w", err)}
	}
	e.open.Add(1)
	return &iterator{e: e, it: it, reverse: reverse}
}

func (i *iterator) Next() bool {
	if i.it == nil || i.err != nil {
		return false
	}
	var ok bool
	switch {
	case i.started && i.reverse:
		ok = i.it.Prev()
	case i.started:
		ok = i.it.Next()
	case i.reverse:
		ok = i.it.Last()
	default:
		ok = i.it.First()
	}
	i.started = true
	if !ok {
		if err := i.it.Error(); err != nil {
			i.err = fmt.Errorf("pebble: scan: %w", err)
		}
	}
	return ok
}

func (i *iterator) Key() []byte   { return i.it.Key() }
func (i *iterator) Value() []byte { return i.it.Value() }
func (i *iterator) Err() error    { return i.err }

func (i *iterator) Close() error {
	if i.it != nil {
		if err := i.it.Close(); err != nil && i.err == nil {
			i.err = fmt.Errorf("pebble: scan: %w", err)
		}
		i.it = nil
		i.e.open.Add(-1)
	}
	return i.err
}
