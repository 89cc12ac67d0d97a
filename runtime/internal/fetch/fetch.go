// Package fetch reads partitions: one loop per broker over Fetch requests.
//
// A Cursor is one reader of one partition. It carries what a stream processor
// must know and a consumer API hides: its position (which passes transaction
// markers, aborted records and batches that compaction emptied), the high
// watermark, the last stable offset. Records stay the bytes the broker sent;
// whoever takes them decodes in place.
//
// Invariants:
//
//   - a cursor's chunks come in offset order without gaps: each begins at the
//     position the one before ended at;
//   - under read_committed no chunk holds a record of an open or aborted
//     transaction;
//   - what a cursor buffers is bounded: a cursor over its budget is left out of
//     the next request, and only that cursor;
//   - an answer is delivered only to the cursor that asked, at the position it
//     asked for.
package fetch

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Config configures a Fetcher. All fields are required except OnGap and Logger.
type Config struct {
	Client         *kgo.Client
	Committed      bool          // read_committed: skip what is open or aborted
	MaxWait        time.Duration // how long a broker may hold an answer without data
	MaxBytes       int32         // of one answer
	PartitionBytes int32         // of one partition in one answer
	Budget         int           // bytes buffered per cursor before it is left out
	// OnGap is told what a cursor that goes on behind a gap could not read. It is
	// called by a goroutine of the Fetcher and must not block.
	OnGap  func(Gap)
	Logger *slog.Logger
}

// Fetcher owns the loops. Add and Remove may be called from any goroutine.
type Fetcher struct {
	cfg    Config
	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup
	wake   chan struct{} // the resolver: some cursor has no leader or no position

	mu      sync.Mutex
	cursors map[*Cursor]struct{}
	loops   map[int32]*loop
}

// New starts a Fetcher. Close stops it.
func New(cfg Config) *Fetcher {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	ctx, cancel := context.WithCancel(context.Background())
	f := &Fetcher{
		cfg: cfg, ctx: ctx, cancel: cancel,
		wake:    make(chan struct{}, 1),
		cursors: make(map[*Cursor]struct{}),
		loops:   make(map[int32]*loop),
	}
	f.wg.Go(f.resolve)
	return f
}

// Close stops all loops and waits for them. Cursors keep what they buffer.
func (f *Fetcher) Close() {
	f.cancel()
	f.wg.Wait()
}

// Reset says what a cursor does when its offset is not in the log.
type Reset int8

const (
	// Refuse stops the cursor with ErrOutOfRange.
	Refuse Reset = iota
	// Earliest goes on at the log's first offset.
	Earliest
	// Latest goes on at the log's end.
	Latest
)

// Start places of a cursor other than an offset; see Fetcher.Add.
const (
	AtLatest   int64 = -1
	AtEarliest int64 = -2
)

// Add begins to read a partition at offset, or at AtEarliest or AtLatest. notify
// is called, from a fetch loop and without locks of the Fetcher held, whenever
// the cursor has something new: chunks, a moved position, an error. It must not
// block.
func (f *Fetcher) Add(topic string, partition int32, offset int64, reset Reset, notify func()) *Cursor {
	c := &Cursor{topic: topic, partition: partition, reset: reset, notify: notify, f: f}
	c.status = Status{Position: offset, HighWatermark: -1, LastStable: -1, LogStart: -1}
	c.broker, c.leaderEpoch, c.lastEpoch, c.missing = -1, -1, -1, -1
	f.mu.Lock()
	f.cursors[c] = struct{}{}
	f.mu.Unlock()
	f.poke()
	return c
}

// Remove ends the reading. Chunks already taken stay valid; what the cursor
// buffers is dropped, and notify is not called again once Remove returned
// unless a call was already under way.
func (f *Fetcher) Remove(c *Cursor) {
	f.mu.Lock()
	delete(f.cursors, c)
	l := f.loops[c.leader()]
	f.mu.Unlock()
	c.close()
	if l != nil {
		l.remove(c)
	}
}

func (f *Fetcher) poke() { signal(f.wake) }

// signal wakes the reader of a channel of capacity one.
func signal(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}

// loop returns the loop of a broker, starting it if need be.
func (f *Fetcher) loop(broker int32) *loop {
	f.mu.Lock()
	defer f.mu.Unlock()
	l := f.loops[broker]
	if l == nil {
		l = &loop{f: f, broker: broker, wake: make(chan struct{}, 1), cursors: make(map[*Cursor]struct{})}
		f.loops[broker] = l
		f.wg.Go(l.run)
	}
	return l
}
