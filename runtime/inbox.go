package runtime

import "sync"

// inbox is a queue that never makes a sender wait. Any goroutine puts messages
// in; its one owner takes them out, in their order, after wake fired.
type inbox struct {
	wake chan struct{} // of capacity one

	mu       sync.Mutex
	messages []any
}

func newInbox(wake chan struct{}) *inbox { return &inbox{wake: wake} }

func (b *inbox) put(m any) {
	b.mu.Lock()
	b.messages = append(b.messages, m)
	b.mu.Unlock()
	wakeUp(b.wake)
}

func (b *inbox) take() []any {
	b.mu.Lock()
	defer b.mu.Unlock()
	all := b.messages
	b.messages = nil
	return all
}

// wakeUp wakes the reader of a channel of capacity one.
func wakeUp(wake chan struct{}) {
	select {
	case wake <- struct{}{}:
	default:
	}
}
