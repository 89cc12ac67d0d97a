package broker

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/thalweg/thalweg/broker/log"
)

const (
	// cleaners is how many partitions are compacted at a time. One large
	// partition must not hold up all others, and each may take the memory of
	// log.CompactOptions.MaxKeys.
	cleaners = 2
	// maxCleanBackoff bounds how long a partition whose cleaning failed is left
	// alone: nothing is lost while it waits, and a damaged segment costs reading
	// all that lies before it.
	maxCleanBackoff = time.Hour
)

// cleaning is the state of a partition's compaction. Whoever has set busy owns
// the rest.
type cleaning struct {
	busy  atomic.Bool
	wait  time.Duration // after the last failure; doubles with each in a row
	again time.Time
}

// clean compacts partitions until ctx ends.
func (b *Broker) clean(ctx context.Context) {
	var running sync.WaitGroup
	defer running.Wait()
	slots := make(chan struct{}, cleaners)
	for b.tick(ctx, b.cfg.CompactionCheck) {
		for _, p := range b.topics.all() {
			if !p.cleaning.busy.CompareAndSwap(false, true) {
				continue
			}
			l, o := p.dirty()
			if l == nil {
				p.cleaning.busy.Store(false)
				continue
			}
			select {
			case slots <- struct{}{}:
			case <-ctx.Done():
				return
			}
			running.Go(func() {
				p.compact(ctx, l, o)
				p.cleaning.busy.Store(false)
				<-slots
			})
		}
	}
}

// dirty returns the log of a compacted topic's partition once so much of it is
// dirty that it is worth rewriting (min.cleanable.dirty.ratio). A partition that
// nobody has used since the start is left alone.
func (p *partition) dirty() (*log.Log, log.CompactOptions) {
	r, l := p.rules.Load(), p.opened.Load()
	o := log.CompactOptions{DeleteRetention: r.deleteRetention, MinLag: r.minLag}
	if !r.compacted || l == nil || p.b.now().Before(p.cleaning.again) {
		return nil, o
	}
	dirty, total, err := l.Dirtiness(o)
	if err != nil {
		p.cleaned(err)
		return nil, o
	}
	if dirty == 0 || float64(dirty) < r.dirtyRatio*float64(total) {
		return nil, o
	}
	return l, o
}

// compact cleans a partition. It gives up when ctx ends; what was cleaned until
// then stays.
func (p *partition) compact(ctx context.Context, l *log.Log, o log.CompactOptions) {
	stats, err := l.Compact(ctx, o)
	if stats.Segments > 0 {
		p.b.log.Info("compacted", "topic", p.topic, "partition", p.index, "segments", stats.Segments,
			"bytes_before", stats.BytesBefore, "bytes_after", stats.BytesAfter)
	}
	if ctx.Err() == nil {
		p.cleaned(err)
	}
}

// cleaned notes how a cleaning has ended: one that fails is tried again later
// and later.
func (p *partition) cleaned(err error) {
	c := &p.cleaning
	if err == nil {
		c.wait, c.again = 0, time.Time{}
		return
	}
	c.wait = min(max(2*c.wait, p.b.cfg.CompactionCheck), maxCleanBackoff)
	c.again = p.b.now().Add(c.wait)
	if p.opened.Load() != nil {
		p.b.log.Error("compaction failed: the topic keeps superseded records", "topic", p.topic, "partition", p.index,
			"again_in", c.wait, "error", explain(err, p.b.cfg.DataDir))
	}
}
