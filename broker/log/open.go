package log

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"github.com/thalweg/thalweg/broker/log/vfs"
	"github.com/thalweg/thalweg/internal/batch"
)

// Open opens the log in dir, or makes one. After a crash it recovers: see
// recovery.go. It fails with [*CorruptionError] when the log is damaged where
// a crash cannot have damaged it, with [*StorageError] when the file system
// fails, with [ErrTopicID] when the directory is another topic's.
func Open(dir string, cfg Config) (*Log, error) {
	cfg.setDefaults()
	l := &Log{cfg: cfg, dir: filepath.Clean(dir), prod: newProducers()}
	l.tail.max, l.tail.budget = cfg.TailBytes, cfg.Budget
	if err := l.open(); err != nil {
		l.release()
		return nil, err
	}
	return l, nil
}

func (l *Log) open() error {
	if err := l.cfg.FS.MkdirAll(l.dir); err != nil {
		return storage("create log directory", err)
	}
	if err := l.checkTopicID(); err != nil {
		return err
	}
	ckpt, found, err := l.readCheckpoint()
	if err != nil {
		return err
	}
	if found {
		l.saved = ckpt
		l.recovery.Store(ckpt.recovery)
	}
	if err := l.listFiles(); err != nil {
		return err
	}
	if len(l.segments) == 0 {
		return l.startEmpty(ckpt)
	}
	clean, err := l.recover(ckpt)
	if err != nil {
		return err
	}
	end := l.active().end
	l.logEnd.Store(end)
	l.flushed.Store(end)
	l.logStart.Store(min(max(ckpt.logStart, l.segments[0].base), end))
	l.cleaned.Store(min(ckpt.cleaned, end))
	l.hw.Store(max(min(ckpt.highWatermark, end), l.logStart.Load()))
	if end < ckpt.logStart {
		// What had not been deleted was lost.
		return l.resetTo(ckpt.logStart)
	}
	if err := l.openEpochs(!clean || ckpt.incarnation != l.cfg.FS.Incarnation()); err != nil {
		return err
	}
	l.prod.replicated(l.hw.Load())
	l.updateStable()
	running := checkpoint{}
	if clean { // and stays so until something is appended
		running = checkpoint{clean: true, activeBase: l.active().base, activeSize: l.active().size}
	}
	return l.saveCheckpoint(running)
}

// startEmpty makes the first segment of a log without one.
func (l *Log) startEmpty(ckpt checkpoint) error {
	base := ckpt.logStart
	s, err := createSegment(l.cfg.FS, l.dir, base)
	if err != nil {
		return err
	}
	s.created = l.cfg.Now().UnixMilli()
	l.segments = []*segment{s}
	for _, o := range []interface{ Store(int64) }{&l.logStart, &l.logEnd, &l.hw, &l.lso, &l.flushed} {
		o.Store(base)
	}
	if err := l.openEpochs(false); err != nil {
		return err
	}
	if err := l.cfg.FS.SyncDir(l.dir); err != nil {
		return storage("sync directory", err)
	}
	return l.saveCheckpoint(checkpoint{})
}

// listFiles finds the segments, in order, and removes what an interrupted run
// left behind.
func (l *Log) listFiles() error {
	names, err := l.cfg.FS.List(l.dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return storage("list log directory", err)
	}
	changed, err := l.recoverSwaps(names)
	if err != nil {
		return err
	}
	if changed {
		if names, err = l.cfg.FS.List(l.dir); err != nil {
			return storage("list log directory", err)
		}
	}
	bases := map[int64]bool{}
	for _, name := range names {
		if base, suffix, ok := parseFileName(name); ok && suffix == logSuffix {
			bases[base] = true
			l.segments = append(l.segments, newSegment(l.cfg.FS, l.dir, base))
		}
	}
	for _, name := range names {
		base, suffix, ok := parseFileName(name)
		leftover := strings.HasSuffix(name, deletedSuffix) || strings.HasSuffix(name, tmpSuffix)
		orphan := ok && !bases[base] && (suffix == indexSuffix || suffix == timeSuffix || suffix == txnSuffix)
		if leftover || orphan {
			if err := removeFile(l.cfg.FS, l.path(name)); err != nil {
				return err
			}
		}
	}
	slices.SortFunc(l.segments, func(a, b *segment) int { return int(min(max(a.base-b.base, -1), 1)) })
	var origin int64
	for i, s := range l.segments {
		f, err := s.open()
		if err != nil {
			return err
		}
		if s.size, err = f.Size(); err != nil {
			return storage("size of segment", err)
		}
		s.origin, s.created = origin, l.cfg.Now().UnixMilli()
		origin += s.size
		if i > 0 {
			l.segments[i-1].end = s.base
		}
	}
	return nil
}

// openEpochs loads the epoch cache and cuts it to the log. One that cannot be
// used, or may not cover what a crash left, is rebuilt from the batches.
func (l *Log) openEpochs(crashed bool) error {
	b, err := vfs.ReadFile(l.cfg.FS, l.path(epochFile), 64<<20)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return storage("read "+epochFile, err)
	}
	var e epochs
	if err == nil {
		e, err = decodeEpochs(b)
	}
	// An epoch that begins at the log end is kept: it was assigned by a
	// leader that had not appended yet.
	lost := err != nil
	changed := e.truncateEnd(l.logEnd.Load() + 1)
	if lost || crashed && len(e) == 0 || len(e) > 0 && e[0].Start > l.logStart.Load() {
		// A crash may undo a deletion, but not the cutting of the cache.
		found, err := l.scanEpochs()
		if err != nil {
			return err
		}
		for _, x := range e {
			if x.Epoch > found.latest() {
				found.assign(x.Epoch, x.Start)
			}
		}
		e, changed = found, len(found) > 0
	}
	if e.truncateStart(l.logStart.Load()) || changed {
		return l.setEpochs(e)
	}
	l.epochs = e
	return nil
}

// scanEpochs reads the leader epochs out of all batches.
func (l *Log) scanEpochs() (epochs, error) {
	var e epochs
	for _, s := range l.segments {
		err := s.each(func(v batch.View) {
			if v.LeaderEpoch() > e.latest() {
				e.assign(v.LeaderEpoch(), v.BaseOffset())
			}
		})
		if err != nil {
			return nil, err
		}
	}
	return e, nil
}

// checkTopicID compares partition.metadata, or writes it.
func (l *Log) checkTopicID() error {
	if l.cfg.TopicID == [16]byte{} {
		return nil
	}
	const name = "partition.metadata"
	want := "version: 0\ntopic_id: " + base64.RawURLEncoding.EncodeToString(l.cfg.TopicID[:])
	b, err := vfs.ReadFile(l.cfg.FS, l.path(name), 4<<10)
	if errors.Is(err, fs.ErrNotExist) {
		return storage("write "+name, vfs.WriteFile(l.cfg.FS, l.path(name), []byte(want), true))
	}
	if err != nil {
		return storage("read "+name, err)
	}
	if got := strings.TrimSpace(string(b)); got != want {
		return fmt.Errorf("%w: %s says %q", ErrTopicID, l.path(name), got)
	}
	return nil
}
