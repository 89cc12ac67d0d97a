package broker

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"time"

	"github.com/thalweg/thalweg/broker/log"
)

// Three things look after the logs until the broker stops. Each has a goroutine
// of its own, so that none waits for another: a cleaning may take minutes.
//
//   - maintain deletes what retention no longer covers, forgets idle producers
//     and notes how far each log is;
//   - sync makes records durable that nobody waits for, so that a restart after
//     a crash has less to read and sealed segments can be compacted;
//   - clean compacts (compaction.go).

func (b *Broker) maintain(ctx context.Context) {
	for b.tick(ctx, b.cfg.RetentionCheck) {
		for _, p := range b.topics.all() {
			if ctx.Err() != nil {
				return
			}
			p.maintain()
		}
	}
}

// syncCheck is how often segments that were sealed are synced.
const syncCheck = time.Second

func (b *Broker) sync(ctx context.Context) {
	last := b.now()
	for b.tick(ctx, min(syncCheck, b.cfg.SyncInterval)) {
		active := b.cfg.Flush == FlushOS && b.now().Sub(last) >= b.cfg.SyncInterval
		if active {
			last = b.now()
		}
		for _, p := range b.topics.all() {
			if ctx.Err() != nil {
				return
			}
			if l := p.opened.Load(); l != nil {
				p.sync(l, active)
			}
		}
	}
}

// sync makes sealed segments durable, and the active one if wanted.
func (p *partition) sync(l *log.Log, active bool) {
	err := l.SyncSealed()
	if err == nil && active {
		err = l.Flush()
	}
	if err != nil && p.syncFailed.CompareAndSwap(false, true) { // until the next checkpoint
		p.noteMaintenance("sync", err)
	}
}

// tick waits for some time and reports false when ctx ends before.
func (b *Broker) tick(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// maintain does one round for a partition. A partition that nobody has used
// since the start is opened: its records grow old like all others.
func (p *partition) maintain() {
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
	p.syncFailed.Store(false)
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
