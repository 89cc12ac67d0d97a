package dsl

import (
	"time"

	"github.com/thalweg/thalweg/processor"
	"github.com/thalweg/thalweg/state"
)

// expirer deletes the rows of a table that have expired, on the stream time of
// the task. With a cache in front of the store, the flush forwards the
// deletions; otherwise this does. It is called whenever time has moved, and
// mostly finds at once that nothing is due.
type expirer[K, V any] struct {
	scope   *processor.Scope
	st      *timedStore[K, V]
	sendOld bool
	next    processor.Node[K, Change[V]]
}

func (x *expirer[K, V]) Init(c *processor.Context) error {
	defer c.Enter(c.Enter(x.scope))
	c.Schedule(time.Millisecond, processor.StreamTime, func(now int64) error {
		return c.Broken(x.scope.Node, x.st.Expire(now, func(e state.Entry[K, V]) error {
			if x.st.Caching() {
				return nil
			}
			ch := Change[V]{}
			if x.sendOld {
				ch.Old, ch.HasOld = e.Value, true
			}
			return forwardChange(c, x.next, e.Key, ch, now)
		}))
	})
	return nil
}

func (x *expirer[K, V]) Close() error { return nil }
