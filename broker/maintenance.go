package broker

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"time"
)

// maintain looks after the logs until ctx ends: it deletes what retention no
// longer covers, compacts, forgets idle producers, and notes how far each log
// is, so that a restart after a crash has less to read.
func (b *Broker) maintain(ctx context.Context) {
	retention := time.NewTicker(b.cfg.RetentionCheck)
	defer retention.Stop()
	compaction := time.NewTicker(b.cfg.CompactionCheck)
	defer compaction.Stop()
	for {
		round := (*partition).maintain
		select {
		case <-retention.C:
		case <-compaction.C:
			round = (*partition).compact
		case <-ctx.Done():
			return
		}
		for _, p := range b.topics.all() {
			if ctx.Err() != nil {
				return
			}
			round(p, ctx)
		}
	}
}

// maintain does one round for a partition. A partition that nobody has used
// since the start is opened: its records grow old like all others.
func (p *partition) maintain(context.Context) {
	l, err := p.log()
	if err != nil {
		return // logged where it happened
	}
	if p.rules.Load().deletes {
		n, err := l.EnforceRetention()
		if n > 0 {
			p.b.log.Info("deleted old segments", "topic", p.topic, "partition", p.index, "segments", n, "log_start", l.LogStart())
		}
		p.noteMaintenance("retention", err)
	}
	l.ExpireProducers()
	p.noteMaintenance("checkpoint", l.Checkpoint())
}

func (p *partition) noteMaintenance(what string, err error) {
	if err != nil && p.opened.Load() != nil {
		p.b.log.Error("log maintenance failed", "what", what, "topic", p.topic, "partition", p.index, "error", explain(err, p.b.cfg.DataDir))
	}
}

// deletedDir is where the directories of deleted partitions wait for their end.
// Its name cannot be that of a partition, which ends in a number.
const deletedDir = "deleted"

// removeDeleted deletes what is left of topics that were deleted before the
// last stop.
func (b *Broker) removeDeleted() error {
	if err := b.fs.RemoveAll(filepath.Join(b.cfg.DataDir, deletedDir)); err != nil {
		return explain(err, b.cfg.DataDir)
	}
	return nil
}

// discard deletes a partition's log. The directory is moved away at once, so
// that a topic created again under the old name finds none; its files are
// deleted in the background.
func (b *Broker) discard(p *partition) {
	l := p.stop()
	away := filepath.Join(b.cfg.DataDir, deletedDir)
	gone := filepath.Join(away, fmt.Sprintf("%s-%d.%s", p.topic, p.index, p.id))
	err := b.fs.MkdirAll(away)
	if err == nil {
		err = b.fs.Rename(p.dir(), gone)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		// Opening the directory again will find another topic's id in it.
		b.log.Error("cannot move a deleted partition away", "dir", p.dir(), "error", err)
	}
	b.background.Go(func() {
		if l != nil {
			l.Abandon()
		}
		if err := b.fs.RemoveAll(gone); err != nil {
			b.log.Error("cannot delete partition", "dir", gone, "error", err)
		}
	})
}
