package log

import (
	"errors"
	"math"
	"os"
	"slices"
	"strings"

	"github.com/thalweg/thalweg/internal/batch"
)

// A cleaned segment takes the place of the segments it was made from in steps
// that a crash may cut short anywhere:
//
//  1. write the four files with suffix .cleaned and sync them;
//  2. rename them to .swap, the .log last, and sync the directory: from here on
//     the replacement counts, before it does not;
//  3. remove the other originals, rename the indexes to their names, then the
//     .log, which replaces the first original.
//
// Opening a log removes .cleaned files, and repeats step 3 where there is a
// .log.swap.

func swappedSuffixes() []string { return []string{indexSuffix, timeSuffix, txnSuffix, logSuffix} }

// rewrite is the second pass over a group of segments. The new segment's files
// are synced.
func (c *cleaner) rewrite(group []*segment) (*segment, error) {
	const flushAt = 1 << 20
	l, first := c.l, group[0]
	s := newSegment(l.cfg.FS, l.dir, first.base)
	f, err := l.cfg.FS.Open(s.name+cleanedSuffix, os.O_CREATE|os.O_TRUNC)
	if err != nil {
		return nil, storage("create cleaned segment", err)
	}
	s.file.Store(&fileRef{f})
	s.origin = math.MinInt64 / 2 // nothing of it is in the tail
	s.created = first.created
	x := newIndex()
	var buf []byte
	var written int64
	flush := func() error {
		if len(buf) == 0 {
			return nil
		}
		if _, err := f.WriteAt(buf, written); err != nil {
			return storage("write cleaned segment", err)
		}
		written += int64(len(buf))
		buf = buf[:0]
		return nil
	}
	markers := map[int64]bool{}
	lastUsed := len(group) - 1
	for lastUsed > 0 && group[lastUsed].size == 0 {
		lastUsed--
	}
	for i, old := range group {
		err := c.walk(old, func(v batch.View, last bool) error {
			out, err := c.clean(v, last && i == lastUsed)
			if err != nil || out == nil {
				return err
			}
			x.add(relative(out.LastOffset(), s.base), uint32(s.size), len(out), out.MaxTimestamp(), l.cfg.IndexInterval)
			if out.IsControl() && out.Count() > 0 {
				markers[out.BaseOffset()] = true
			}
			s.size += int64(len(out))
			s.end = out.NextOffset()
			if buf = append(buf, out...); len(buf) >= flushAt {
				return flush()
			}
			return nil
		})
		if err != nil {
			s.release()
			return nil, err
		}
		// An aborted transaction is listed as long as its marker is there to
		// tell the reader where it ends.
		for _, e := range old.idx.Load().aborted {
			if markers[e.lastOffset] {
				x.aborted = append(x.aborted, e)
			}
		}
	}
	x.addTime()
	s.idx.Store(x)
	if err := flush(); err != nil {
		s.release()
		return nil, err
	}
	if err := l.syncCleaned(s, x); err != nil {
		s.release()
		return nil, err
	}
	return s, nil
}

func (l *Log) syncCleaned(s *segment, x *index) error {
	f, err := s.open()
	if err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return storage("sync cleaned segment", err)
	}
	for suffix, data := range map[string][]byte{
		indexSuffix: x.encodeOffsets(), timeSuffix: x.encodeTimes(), txnSuffix: encodeAborted(x.aborted),
	} {
		name := s.sibling(suffix + cleanedSuffix)
		if err := writeWhole(l.cfg.FS, name, data); err != nil {
			return err
		}
		if err := syncFile(l.cfg.FS, name); err != nil {
			return err
		}
	}
	return nil
}

// dropCleaned removes the files of a replacement that did not come about.
func (l *Log) dropCleaned(first *segment) error {
	var errs []error
	for _, suffix := range swappedSuffixes() {
		errs = append(errs, removeFile(l.cfg.FS, first.sibling(suffix+cleanedSuffix)))
	}
	return errors.Join(errs...)
}

// install puts s in the place of group, which is clean below an offset. It
// reports false when the group is not in the log any more.
func (l *Log) install(group []*segment, s *segment, clean int64) (bool, error) {
	l.writeMu.Lock()
	defer l.writeMu.Unlock()
	if err := l.usable(); err != nil {
		s.release()
		return false, errors.Join(err, l.dropCleaned(s))
	}
	i := slices.Index(l.segments, group[0])
	if i < 0 || i+len(group) >= len(l.segments) || !slices.Equal(l.segments[i:i+len(group)], group) {
		s.release()
		return false, l.dropCleaned(s)
	}
	if err := l.commitSwap(s); err != nil {
		s.release()
		return false, l.fail(err)
	}
	l.mu.Lock()
	l.segments = slices.Replace(slices.Clone(l.segments), i, i+len(group), s)
	l.cleaned.Store(max(l.cleaned.Load(), min(group[len(group)-1].end, clean)))
	l.mu.Unlock()
	err := l.finishSwap(s, group[1:])
	for _, old := range group {
		old.release()
	}
	if err != nil {
		return true, l.fail(err)
	}
	return true, nil
}

// commitSwap is step 2.
func (l *Log) commitSwap(s *segment) error {
	for _, suffix := range swappedSuffixes() {
		if err := l.cfg.FS.Rename(s.sibling(suffix+cleanedSuffix), s.sibling(suffix+swapSuffix)); err != nil {
			return storage("rename cleaned segment", err)
		}
	}
	return storage("sync directory", l.cfg.FS.SyncDir(l.dir))
}

// finishSwap is step 3, as often as it takes.
func (l *Log) finishSwap(s *segment, others []*segment) error {
	for _, old := range others {
		for _, suffix := range []string{logSuffix, indexSuffix, timeSuffix, txnSuffix, snapshotSuffix} {
			if err := removeFile(l.cfg.FS, old.sibling(suffix)); err != nil {
				return err
			}
		}
	}
	for _, suffix := range swappedSuffixes() {
		err := l.cfg.FS.Rename(s.sibling(suffix+swapSuffix), s.sibling(suffix))
		if err != nil && (suffix == logSuffix || !errors.Is(err, os.ErrNotExist)) {
			return storage("rename swapped segment", err)
		}
	}
	return storage("sync directory", l.cfg.FS.SyncDir(l.dir))
}

// recoverSwaps completes or drops the replacements a crash interrupted. It
// returns true when files changed.
func (l *Log) recoverSwaps(names []string) (changed bool, err error) {
	var swaps []*segment
	committed := map[int64]bool{}
	for _, name := range names {
		if base, suffix, ok := parseFileName(name); ok && suffix == logSuffix+swapSuffix {
			swaps = append(swaps, newSegment(l.cfg.FS, l.dir, base))
			committed[base] = true
		}
	}
	for _, name := range names {
		base, suffix, ok := parseFileName(name)
		half := ok && strings.HasSuffix(suffix, swapSuffix) && !committed[base]
		if half || strings.HasSuffix(name, cleanedSuffix) {
			changed = true
			if err := removeFile(l.cfg.FS, l.path(name)); err != nil {
				return changed, err
			}
		}
	}
	for _, s := range swaps {
		changed = true
		if err := l.recoverSwap(s, names); err != nil {
			return changed, err
		}
	}
	return changed, nil
}

func (l *Log) recoverSwap(s *segment, names []string) error {
	swap := newSegment(l.cfg.FS, l.dir, s.base)
	swap.name += swapSuffix
	defer swap.release()
	f, err := swap.open()
	if err != nil {
		return err
	}
	if swap.size, err = f.Size(); err != nil {
		return storage("size of segment", err)
	}
	end := s.base
	if err := swap.each(func(v batch.View) { end = v.NextOffset() }); err != nil {
		return err
	}
	var others []*segment
	for _, name := range names {
		if base, suffix, ok := parseFileName(name); ok && suffix == logSuffix && base > s.base && base < end {
			others = append(others, newSegment(l.cfg.FS, l.dir, base))
		}
	}
	return l.finishSwap(s, others)
}
