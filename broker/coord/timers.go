package coord

import (
	"container/heap"
	"time"
)

// Timers holds the deadlines of one machine, at most one for each key, in one
// heap. The zero value is empty and ready.
type Timers[K comparable] struct {
	heap timerHeap[K]
	at   map[K]*timer[K]
	seq  uint64
}

type timer[K comparable] struct {
	key   K
	at    time.Time
	seq   uint64 // order among equal deadlines: makes runs reproducible
	index int
}

// Set arms or moves the timer of key.
func (t *Timers[K]) Set(key K, at time.Time) {
	t.seq++
	if e := t.at[key]; e != nil {
		e.at, e.seq = at, t.seq
		heap.Fix(&t.heap, e.index)
		return
	}
	if t.at == nil {
		t.at = make(map[K]*timer[K])
	}
	e := &timer[K]{key: key, at: at, seq: t.seq}
	t.at[key] = e
	heap.Push(&t.heap, e)
}

// Stop disarms the timer of key.
func (t *Timers[K]) Stop(key K) {
	if e := t.at[key]; e != nil {
		heap.Remove(&t.heap, e.index)
		delete(t.at, key)
	}
}

// Next is the earliest deadline.
func (t *Timers[K]) Next() (time.Time, bool) {
	if len(t.heap) == 0 {
		return time.Time{}, false
	}
	return t.heap[0].at, true
}

// Pop takes the earliest timer that is due at now.
func (t *Timers[K]) Pop(now time.Time) (key K, ok bool) {
	if len(t.heap) == 0 || t.heap[0].at.After(now) {
		return key, false
	}
	e := heap.Pop(&t.heap).(*timer[K])
	delete(t.at, e.key)
	return e.key, true
}

type timerHeap[K comparable] []*timer[K]

func (h timerHeap[K]) Len() int { return len(h) }

func (h timerHeap[K]) Less(i, j int) bool {
	if h[i].at.Equal(h[j].at) {
		return h[i].seq < h[j].seq
	}
	return h[i].at.Before(h[j].at)
}

func (h timerHeap[K]) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

func (h *timerHeap[K]) Push(x any) {
	e := x.(*timer[K])
	e.index = len(*h)
	*h = append(*h, e)
}

func (h *timerHeap[K]) Pop() any {
	old := *h
	e := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	return e
}
