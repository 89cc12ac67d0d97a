package broker

import (
	"context"

	"github.com/thalweg/thalweg/broker/log"
)

// compact cleans a partition of a compacted topic once so much of it is dirty
// that it is worth rewriting (min.cleanable.dirty.ratio). It gives up when ctx
// ends; what was cleaned until then stays. A partition that nobody has used
// since the start is left alone.
func (p *partition) compact(ctx context.Context) {
	r, l := p.rules.Load(), p.opened.Load()
	if !r.compacted || l == nil {
		return
	}
	dirty, total := l.Dirtiness()
	if dirty == 0 || float64(dirty) < r.dirtyRatio*float64(total) {
		return
	}
	stats, err := l.Compact(ctx, log.CompactOptions{DeleteRetention: r.deleteRetention, MinLag: r.minLag})
	if stats.Segments > 0 {
		p.b.log.Info("compacted", "topic", p.topic, "partition", p.index, "segments", stats.Segments,
			"bytes_before", stats.BytesBefore, "bytes_after", stats.BytesAfter)
	}
	if ctx.Err() == nil {
		p.noteMaintenance("compaction", err)
	}
}
