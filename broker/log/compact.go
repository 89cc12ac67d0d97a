package log

import (
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"slices"
	"time"

	"github.com/thalweg/thalweg/internal/batch"
)

// Compaction keeps, of all committed records with the same key, the last one
// (cleanup.policy=compact). It rewrites sealed segments in two passes: the
// first learns the last offset of each key in the part that was not cleaned
// before, the second copies what survives. When there are more keys than may be
// held in memory the first pass ends early, behind any batch, and the next
// cleaning goes on there.
//
// Invariants:
//   - offsets never change, nor the bytes of a surviving record;
//   - only segments wholly below the last stable offset and the flushed offset
//     are touched, so every transaction in them is decided;
//   - what lies behind the offset that the first pass got to is copied as it
//     is: a tombstone there must not go, nor begin its time, before the values
//     that it deletes;
//   - records of aborted transactions go at once; a tombstone is kept for
//     DeleteRetention after the first cleaning that met it, so that a reader
//     who started before sees it;
//   - a transaction marker is kept as long as any batch of its transaction,
//     then as long as a tombstone, and as long as it is the last thing its
//     producer wrote;
//   - the last batch of a producer and of each rewritten segment stays, emptied
//     if need be: producer state and log end can be rebuilt from the segments.

// CompactOptions are the settings of one cleaning.
type CompactOptions struct {
	DeleteRetention time.Duration // delete.retention.ms; 0 drops tombstones with the second cleaning
	MinLag          time.Duration // min.compaction.lag.ms: newer segments are left alone
	MaxKeys         int           // how many keys to hold in memory, about 40 bytes each, give or take a batch; default 2 million
}

// CompactStats says what a cleaning did.
type CompactStats struct {
	Segments    int // rewritten
	BytesBefore int64
	BytesAfter  int64
}

// keyHash identifies a key. It is long enough that two keys never share one: a
// collision would delete a record.
type keyHash [16]byte

func hashKey(key []byte) keyHash {
	sum := sha256.Sum256(key)
	return keyHash(sum[:16])
}

// Dirtiness returns how many bytes a cleaning with these options would look at,
// and how many of them are in segments that were not cleaned to their end
// before; their ratio decides when to compact (min.cleanable.dirty.ratio).
func (l *Log) Dirtiness(o CompactOptions) (dirty, total int64, err error) {
	list, release, err := l.cleanable(o)
	if err != nil {
		return 0, 0, err
	}
	defer release()
	cleaned := l.cleaned.Load()
	for _, s := range list {
		total += s.size
		if s.end > cleaned {
			dirty += s.size
		}
	}
	return dirty, total, nil
}

// Compact cleans the log once. Appends and reads go on meanwhile; only one
// cleaning runs at a time. When the log is truncated under it, what is left to
// do is given up without error.
func (l *Log) Compact(ctx context.Context, o CompactOptions) (stats CompactStats, err error) {
	if o.MaxKeys <= 0 {
		o.MaxKeys = 2 << 20
	}
	l.cleanMu.Lock()
	defer l.cleanMu.Unlock()
	list, release, err := l.cleanable(o)
	if err != nil {
		return stats, err
	}
	defer release()
	if len(list) == 0 {
		return stats, nil
	}
	c := &cleaner{l: l, ctx: ctx, opts: o, now: l.cfg.Now().UnixMilli(), offsets: map[keyHash]int64{}, open: map[int64]bool{}}
	defer c.decoder.Close()
	if err := c.learnProducers(); err != nil {
		return stats, err
	}
	n, err := c.learnOffsets(list, l.cleaned.Load())
	if err != nil {
		return stats, err
	}
	list = list[:n]
	for len(list) > 0 {
		group := l.nextGroup(list)
		list = list[len(group):]
		s, err := c.rewrite(group)
		if err != nil {
			return stats, errors.Join(err, l.dropCleaned(group[0]))
		}
		installed, err := l.install(group, s, c.learned)
		if err != nil || !installed {
			return stats, err
		}
		stats.Segments += len(group)
		stats.BytesAfter += s.size
		for _, old := range group {
			stats.BytesBefore += old.size
		}
	}
	return stats, l.Checkpoint()
}

// cleanable returns the segments that may be rewritten, with references.
func (l *Log) cleanable(o CompactOptions) (list []*segment, release func(), err error) {
	l.mu.RLock()
	bound := min(l.lso.Load(), l.flushed.Load())
	if n := len(l.segments); n > 0 {
		for _, s := range l.segments[:n-1] {
			if s.end > bound || slices.Contains(l.unsynced, s) {
				break
			}
			s.acquire()
			list = append(list, s)
		}
	}
	l.mu.RUnlock()
	all := list
	release = func() {
		for _, s := range all {
			s.release()
		}
	}
	newest := l.cfg.Now().Add(-o.MinLag).UnixMilli()
	for i := 0; i < len(list) && o.MinLag > 0; i++ {
		x, err := l.indexOf(list[i])
		if err != nil {
			release()
			return nil, nil, err
		}
		if x.maxTS > newest {
			list = list[:i]
		}
	}
	return list, release, nil
}

// nextGroup returns the first segments that fit together into one.
func (l *Log) nextGroup(list []*segment) []*segment {
	n, size := 1, list[0].size
	for n < len(list) && size+list[n].size <= int64(l.cfg.SegmentBytes) && list[n].end-list[0].base <= 1<<31-1 {
		size += list[n].size
		n++
	}
	return list[:n]
}

// cleaner is the state of one cleaning.
type cleaner struct {
	l       *Log
	ctx     context.Context
	opts    CompactOptions
	now     int64
	offsets map[keyHash]int64        // last committed offset of each key
	learned int64                    // how far offsets goes
	aborted map[int64][]abortedEntry // by producer, in order
	last    map[int64]int64          // last data offset of each producer kept in state
	open    map[int64]bool           // producers of whose current transaction a batch was kept
	builder batch.Builder
	decoder batch.Decompressor
}

// learnProducers collects what is known of producers and aborted transactions.
func (c *cleaner) learnProducers() error {
	held, release := c.l.hold()
	defer release()
	c.aborted = map[int64][]abortedEntry{}
	for _, h := range held {
		x, err := c.l.indexOf(h.s)
		if err != nil {
			return err
		}
		c.l.mu.RLock()
		entries := x.aborted
		c.l.mu.RUnlock()
		for _, e := range entries {
			c.aborted[e.ProducerID] = append(c.aborted[e.ProducerID], e)
		}
	}
	c.l.mu.RLock()
	defer c.l.mu.RUnlock()
	c.last = make(map[int64]int64, len(c.l.prod.byID))
	for id, p := range c.l.prod.byID {
		c.last[id] = -1
		if p.n > 0 {
			c.last[id] = p.batches[p.n-1].lastOffset
		}
	}
	return nil
}

func (c *cleaner) isAborted(v batch.View) bool {
	if !v.IsTransactional() {
		return false
	}
	list := c.aborted[v.ProducerID()]
	i, _ := slices.BinarySearchFunc(list, v.BaseOffset(), func(e abortedEntry, off int64) int {
		if e.lastOffset <= off {
			return -1
		}
		return 1
	})
	return i < len(list) && list[i].FirstOffset <= v.BaseOffset()
}

// errMapFull ends a walk of the first pass.
var errMapFull = errors.New("log: the offset map is full")

// learnOffsets is the first pass, from the offset on that was cleaned before. It
// returns how many of the segments it got into.
func (c *cleaner) learnOffsets(list []*segment, from int64) (n int, err error) {
	for i, s := range list {
		if s.end > from {
			err = c.walk(s, func(v batch.View, _ bool) error {
				if v.NextOffset() <= from {
					return nil
				}
				return c.learnBatch(v)
			})
		}
		if errors.Is(err, errMapFull) {
			return i + 1, nil
		}
		if err != nil {
			return 0, err
		}
		c.learned = s.end
	}
	return len(list), nil
}

// learnBatch takes the keys of a batch into the map. It returns errMapFull when
// there is no room for those of the next one.
func (c *cleaner) learnBatch(v batch.View) error {
	if !v.IsControl() && v.Count() > 0 && !c.isAborted(v) {
		it, err := v.Records(&c.decoder)
		if err != nil {
			return err
		}
		var r batch.Record
		for it.Next(&r) {
			if r.Key != nil {
				c.offsets[hashKey(r.Key)] = r.Offset
			}
		}
		if err := it.Err(); err != nil {
			return err
		}
	}
	c.learned = v.NextOffset()
	if len(c.offsets) >= c.opts.MaxKeys {
		return errMapFull
	}
	return nil
}

// walk calls fn for each batch of a segment; last is set for its last one.
func (c *cleaner) walk(s *segment, fn func(v batch.View, last bool) error) error {
	sc := s.scan(0, s.size)
	for {
		v, pos, err := sc.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			err = c.ctx.Err()
		}
		if err != nil {
			return err
		}
		if err := v.Validate(); err != nil {
			return s.corrupt(pos, err)
		}
		if err := fn(v, sc.pos >= sc.limit); err != nil {
			return err
		}
	}
}

// clean returns what is left of a batch, nil for nothing. The last batch of a
// group is always kept.
func (c *cleaner) clean(v batch.View, last bool) (batch.View, error) {
	if v.BaseOffset() >= c.learned {
		return v, nil
	}
	if v.IsControl() {
		return c.cleanMarker(v, last)
	}
	horizon, stamped := v.DeleteHorizon()
	aborted, tombstones := c.isAborted(v), false
	keep := func(r *batch.Record) bool {
		if aborted || r.Key == nil {
			return false
		}
		if at, ok := c.offsets[hashKey(r.Key)]; ok && r.Offset < at {
			return false
		}
		if r.Value == nil && stamped && c.now >= horizon {
			return false
		}
		tombstones = tombstones || r.Value == nil
		return true
	}
	out, err := c.builder.Rewrite(v, &c.decoder, -1, keep)
	if err == nil && tombstones && !stamped {
		out, err = c.builder.Rewrite(v, &c.decoder, c.now+c.opts.DeleteRetention.Milliseconds(), keep)
	}
	if err != nil {
		return nil, err
	}
	if at, known := c.last[v.ProducerID()]; out.Count() == 0 && !last && !(known && at == v.LastOffset()) {
		return nil, nil
	}
	if v.IsTransactional() {
		c.open[v.ProducerID()] = true
	}
	return out, nil
}

func (c *cleaner) cleanMarker(v batch.View, last bool) (batch.View, error) {
	_, marker, err := v.Marker()
	if err != nil {
		return nil, err
	}
	if !marker {
		if v.Count() == 0 && !last {
			return nil, nil // emptied before, when it was the last
		}
		return v, nil
	}
	pid := v.ProducerID()
	needed := c.open[pid]
	delete(c.open, pid)
	if at, known := c.last[pid]; needed || known && at < v.BaseOffset() {
		return v, nil
	}
	horizon, stamped := v.DeleteHorizon()
	all := func(*batch.Record) bool { return true }
	switch {
	case !stamped:
		return c.builder.Rewrite(v, &c.decoder, c.now+c.opts.DeleteRetention.Milliseconds(), all)
	case c.now < horizon:
		return v, nil
	case last:
		return c.builder.Rewrite(v, &c.decoder, -1, func(*batch.Record) bool { return false })
	}
	return nil, nil
}
