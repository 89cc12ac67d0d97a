package fetch

import (
	"errors"
	"fmt"
	"sync"

	"github.com/thalweg/thalweg/internal/batch"
	"github.com/thalweg/thalweg/runtime/internal/outage"
)

// ErrOutOfRange stops a cursor added with Refuse: its offset is not in the log,
// because retention removed it or the log lost its tail.
var ErrOutOfRange = errors.New("fetch: offset out of range")

// Gap is what a cursor could not read: it wanted From and goes on at To. Where To
// is the larger, From was deleted before it was read, and those up to To are
// passed over; where it is not, the log ends before From.
type Gap struct {
	Topic     string
	Partition int32
	From, To  int64
}

// Lost is the number of offsets that were passed over.
func (g Gap) Lost() int64 { return max(0, g.To-g.From) }

func (g Gap) String() string {
	if g.To > g.From {
		return fmt.Sprintf("topic %s partition %d: records were deleted before they were read: offsets %d to %d (%d) are lost", g.Topic, g.Partition, g.From, g.To-1, g.Lost())
	}
	return fmt.Sprintf("topic %s partition %d: the log ends before offset %d, which it once had: it lost its tail, or the topic was made anew", g.Topic, g.Partition, g.From)
}

// Chunk is what one answer held for one partition: whole batches, in order,
// without control batches and, under read_committed, without aborted ones.
type Chunk struct {
	Batches []batch.View
	From    int64 // records before it, at the head of the first batch, are not new
	Next    int64 // the position after the chunk
	Bytes   int   // to give back with Release
}

// Status is what is known of a partition.
type Status struct {
	// Position is the next offset to fetch, or AtEarliest/AtLatest until the
	// broker was asked where that is.
	Position int64
	// HighWatermark, LastStable and LogStart are those of the latest answer,
	// -1 before the first.
	HighWatermark, LastStable, LogStart int64
	// Buffered is the number of bytes fetched and not yet released.
	Buffered int
	// Err is set when the cursor stopped for good.
	Err error
}

// Cursor reads one partition. Its methods may be called from any goroutine;
// chunks are meant for one.
type Cursor struct {
	f         *Fetcher
	topic     string
	partition int32
	reset     Reset
	notify    func()

	mu          sync.Mutex
	topicID     [16]byte
	broker      int32 // -1: not known
	leaderEpoch int32
	lastEpoch   int32 // leader epoch of the last batch passed, -1 before the first
	status      Status
	chunks      []Chunk
	closed      bool
	missing     int64         // the offset that was out of range, until it is known what follows; -1
	report      outage.Report // of a partition that its broker does not serve
}

// Detached returns a cursor that reads nothing. Its methods may be called.
func Detached() *Cursor {
	return &Cursor{f: &Fetcher{}, broker: -1, leaderEpoch: -1, lastEpoch: -1, missing: -1, closed: true, notify: func() {}}
}

// Topic is the topic's name.
func (c *Cursor) Topic() string { return c.topic }

// Partition is the partition's number.
func (c *Cursor) Partition() int32 { return c.partition }

// Status returns what is known now.
func (c *Cursor) Status() Status {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.status
}

// LeaderEpoch is the leader epoch of the last batch the cursor passed, -1
// before the first.
func (c *Cursor) LeaderEpoch() int32 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.lastEpoch
}

// Take appends what is buffered to dst and hands it over.
func (c *Cursor) Take(dst []Chunk) ([]Chunk, Status) {
	c.mu.Lock()
	defer c.mu.Unlock()
	dst = append(dst, c.chunks...)
	clear(c.chunks)
	c.chunks = c.chunks[:0]
	return dst, c.status
}

// Release gives back n bytes of chunks that were taken: they count against the
// budget until then.
func (c *Cursor) Release(n int) {
	if n == 0 {
		return
	}
	c.mu.Lock()
	full := c.status.Buffered >= c.f.cfg.Budget
	c.status.Buffered -= n
	resumed := full && c.status.Buffered < c.f.cfg.Budget
	broker := c.broker
	c.mu.Unlock()
	if !resumed || broker < 0 {
		return
	}
	c.f.mu.Lock()
	l := c.f.loops[broker]
	c.f.mu.Unlock()
	if l != nil {
		signal(l.wake)
	}
}

func (c *Cursor) leader() int32 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.broker
}

func (c *Cursor) close() {
	c.mu.Lock()
	c.closed = true
	c.chunks = nil
	c.mu.Unlock()
}

// stop ends the cursor with an error.
func (c *Cursor) stop(err error) {
	c.mu.Lock()
	if c.closed || c.status.Err != nil {
		c.mu.Unlock()
		return
	}
	c.status.Err = err
	c.broker = -1
	c.mu.Unlock()
	c.notify()
}

// lose forgets the leader; the resolver will find it.
func (c *Cursor) lose() {
	c.mu.Lock()
	c.broker = -1
	c.mu.Unlock()
}

// refused is lose where it is the partition that cannot be read.
func (c *Cursor) refused(err error) {
	c.mu.Lock()
	c.broker = -1
	if !c.closed {
		c.report.Waiting(c.f.cfg.Logger, c.name(), err)
	}
	c.mu.Unlock()
}

func (c *Cursor) name() string { return fmt.Sprintf("topic %s partition %d", c.topic, c.partition) }

// outOfRange takes in that the broker refused an offset. The resolver finds out
// what there is instead; see resolved.
func (c *Cursor) outOfRange(offset int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.status.Position != offset {
		return // the answer to an older question
	}
	c.missing = offset
	c.status.Position = AtEarliest
	if c.reset == Latest {
		c.status.Position = AtLatest
	}
	c.broker = -1
}

// resolved takes in where the resolver has found that the cursor goes on. A
// cursor that refuses gaps does not.
func (c *Cursor) resolved(at int64, broker, epoch int32, topicID [16]byte) (ok bool) {
	c.mu.Lock()
	gap, reset, closed := Gap{c.topic, c.partition, c.missing, at}, c.reset, c.closed
	c.mu.Unlock()
	if gap.From >= 0 && !closed {
		if reset == Refuse {
			c.stop(fmt.Errorf("%w: %v", ErrOutOfRange, gap))
			return false
		}
		if c.f.cfg.OnGap != nil {
			c.f.cfg.OnGap(gap)
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.missing = -1
	c.status.Position = at
	c.broker, c.leaderEpoch, c.topicID = broker, epoch, topicID
	return true
}

// deliver takes in what an answer held for the cursor when it asked from
// offset. Answers to older questions are dropped.
func (c *Cursor) deliver(offset int64, views []batch.View, next int64, bytes int, hw, lso, start int64) {
	c.mu.Lock()
	if c.closed || c.status.Position != offset {
		c.mu.Unlock()
		return
	}
	c.report.Over(c.f.cfg.Logger, c.name())
	c.status.HighWatermark, c.status.LastStable, c.status.LogStart = hw, lso, start
	c.status.Position = next
	if len(views) > 0 {
		c.lastEpoch = views[len(views)-1].LeaderEpoch()
		c.status.Buffered += bytes
	}
	if next > offset {
		n := len(c.chunks)
		if len(views) == 0 && n > 0 {
			c.chunks[n-1].Next = next
		} else {
			if len(views) == 0 {
				bytes = 0
			}
			c.chunks = append(c.chunks, Chunk{Batches: views, From: offset, Next: next, Bytes: bytes})
		}
	}
	c.mu.Unlock()
	c.notify()
}
