package log

import (
	"sync"
	"sync/atomic"
)

// TailBudget bounds the memory of the tails of all logs that share it. When it
// is used up, a log that grows takes the memory of the one that has not been
// written for longest. It is safe for concurrent use.
type TailBudget struct {
	limit int64
	clock atomic.Int64 // counts writes

	mu    sync.Mutex
	used  int64
	tails map[*tail]struct{} // that hold memory
}

// NewTailBudget returns a budget of limit bytes.
func NewTailBudget(limit int64) *TailBudget {
	return &TailBudget{limit: limit, tails: map[*tail]struct{}{}}
}

// Used is the number of bytes taken.
func (b *TailBudget) Used() int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.used
}

// take reserves n bytes for t, whose lock is held, and reports whether it
// could.
func (b *TailBudget) take(t *tail, n int) bool {
	if b == nil {
		return true
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for b.used+int64(n) > b.limit {
		if !b.evict(t) {
			return false
		}
	}
	b.used += int64(n)
	b.tails[t] = struct{}{}
	return true
}

// evict empties the longest idle tail but t. A tail in use at the moment is
// passed over: waiting for its lock could be waiting for ourselves.
func (b *TailBudget) evict(t *tail) bool {
	var oldest *tail
	for x := range b.tails {
		if x != t && (oldest == nil || x.written.Load() < oldest.written.Load()) {
			oldest = x
		}
	}
	if oldest == nil || !oldest.mu.TryLock() {
		return false
	}
	defer oldest.mu.Unlock()
	b.used -= int64(len(oldest.ring))
	delete(b.tails, oldest)
	oldest.clear()
	return true
}

// give takes back what t holds; t's lock is held.
func (b *TailBudget) give(t *tail) {
	if b == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, ok := b.tails[t]; ok {
		b.used -= int64(len(t.ring))
		delete(b.tails, t)
	}
}

// tail keeps the newest bytes of the log, so that readers at the end need no
// system call. It is a ring over stream positions: bytes counted from the
// opening of the log, through all segments (segment.origin says where one
// begins).
//
// Invariant: the ring holds exactly [start, end), the last bytes written, and
// end−start ≤ len(ring).
type tail struct {
	mu         sync.RWMutex
	ring       []byte
	start, end int64
	max        int
	budget     *TailBudget
	written    atomic.Int64 // budget's clock at the last write
}

const minTail = 16 << 10

// write appends p at stream position pos.
func (t *tail) write(p []byte, pos int64) {
	if t.max <= 0 {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.budget != nil {
		t.written.Store(t.budget.clock.Add(1))
	}
	if pos != t.end {
		t.start, t.end = pos, pos
	}
	t.grow(int(t.end-t.start) + len(p))
	size := int64(len(t.ring))
	t.end += int64(len(p))
	if int64(len(p)) > size {
		p = p[int64(len(p))-size:]
	}
	if size > 0 {
		n := copy(t.ring[(t.end-int64(len(p)))%size:], p)
		copy(t.ring, p[n:])
	}
	t.start = max(t.start, t.end-size)
}

// grow doubles the ring until it holds want bytes or memory is used up.
func (t *tail) grow(want int) {
	size := len(t.ring)
	next := max(size, min(minTail, t.max))
	for next < want && next < t.max {
		next = min(2*next, t.max)
	}
	if next <= size || !t.budget.take(t, next-size) {
		return
	}
	ring := make([]byte, next)
	for at := t.start; at < t.end; {
		from, to := at%int64(size), at%int64(next)
		n := min(t.end-at, int64(size)-from, int64(next)-to)
		copy(ring[to:to+n], t.ring[from:from+n])
		at += n
	}
	t.ring = ring
}

// read fills p from stream position pos and reports whether all of it was
// there.
func (t *tail) read(p []byte, pos int64) bool {
	t.mu.RLock()
	defer t.mu.RUnlock()
	if len(p) == 0 || pos < t.start || pos+int64(len(p)) > t.end {
		return false
	}
	n := copy(p, t.ring[pos%int64(len(t.ring)):])
	copy(p[n:], t.ring)
	return true
}

// drop empties the tail and gives its memory back.
func (t *tail) drop() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.budget.give(t)
	t.clear()
}

func (t *tail) clear() { t.ring, t.start, t.end = nil, 0, 0 }
