package log

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/thalweg/thalweg/broker/log/vfs"
	"github.com/thalweg/thalweg/internal/batch"
)

// Suffixes of a segment's files. The file name is the base offset in 20 digits.
const (
	logSuffix      = ".log"
	indexSuffix    = ".index"
	timeSuffix     = ".timeindex"
	txnSuffix      = ".txnindex"
	snapshotSuffix = ".snapshot"
	deletedSuffix  = ".deleted"
	cleanedSuffix  = ".cleaned"
	swapSuffix     = ".swap"
	tmpSuffix      = ".tmp"
)

func fileName(base int64, suffix string) string { return fmt.Sprintf("%020d%s", base, suffix) }

// parseFileName splits a segment's or snapshot's file name.
func parseFileName(name string) (base int64, suffix string, ok bool) {
	digits, rest, found := strings.Cut(name, ".")
	if !found || len(digits) != 20 {
		return 0, "", false
	}
	base, err := strconv.ParseInt(digits, 10, 64)
	return base, "." + rest, err == nil && base >= 0
}

// segment is one .log file and its indexes.
//
// The last segment of a log is active: size, end and the index change under
// Log.mu. All others are sealed and do not change. Readers hold a reference
// while they use the file, so that a segment may be removed under them.
type segment struct {
	base    int64
	origin  int64 // stream position of byte 0, see tail
	size    int64 // bytes of whole batches
	end     int64 // offset after the last batch, at least base
	firstTS int64 // timestamp of the first batch, -1 when empty
	created int64 // ms, for rolling when records carry no time

	idx     atomic.Pointer[index] // nil until loaded
	mu      sync.Mutex            // guards opening
	loading sync.Mutex            // guards loading of idx
	file    atomic.Pointer[fileRef]
	refs    atomic.Int32 // one for being in the log, one for each reader
	name    string       // of the .log file
	fs      vfs.FS
}

type fileRef struct{ vfs.File }

func newSegment(fsys vfs.FS, dir string, base int64) *segment {
	s := &segment{base: base, end: base, firstTS: -1, fs: fsys, name: filepath.Join(dir, fileName(base, logSuffix))}
	s.refs.Store(1)
	return s
}

// createSegment makes an empty segment, replacing what a failed attempt left.
func createSegment(fsys vfs.FS, dir string, base int64) (*segment, error) {
	s := newSegment(fsys, dir, base)
	f, err := fsys.Open(s.name, os.O_CREATE|os.O_TRUNC)
	if err != nil {
		return nil, storage("create segment", err)
	}
	s.file.Store(&fileRef{f})
	s.idx.Store(newIndex())
	return s, nil
}

// sibling is the name of another file of the segment.
func (s *segment) sibling(suffix string) string {
	return strings.TrimSuffix(s.name, logSuffix) + suffix
}

// acquire takes a reference; Log.mu is held.
func (s *segment) acquire() { s.refs.Add(1) }

func (s *segment) release() {
	if s.refs.Add(-1) == 0 {
		if f := s.file.Load(); f != nil {
			_ = f.Close() // nothing unwritten is behind a read-only handle
		}
	}
}

// open returns the .log file, opening it on first use.
func (s *segment) open() (vfs.File, error) {
	if f := s.file.Load(); f != nil {
		return f.File, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if f := s.file.Load(); f != nil {
		return f.File, nil
	}
	f, err := s.fs.Open(s.name, 0)
	if err != nil {
		return nil, storage("open segment", err)
	}
	s.file.Store(&fileRef{f})
	return f, nil
}

// readAt fills p from the file's position pos.
func (s *segment) readAt(p []byte, pos int64) error {
	f, err := s.open()
	if err != nil {
		return err
	}
	n, err := f.ReadAt(p, pos)
	if n == len(p) {
		return nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		return &CorruptionError{File: s.name, Position: pos + int64(n), Err: io.ErrUnexpectedEOF}
	}
	return storage("read segment", err)
}

func (s *segment) corrupt(pos int64, err error) error {
	return &CorruptionError{File: s.name, Position: pos, Err: err}
}

// readIndex reads the index files a sealed segment has. Any reason not to
// trust them is an error.
func (s *segment) readIndex() (*index, error) {
	const limit = 1 << 30
	b, err := vfs.ReadFile(s.fs, s.sibling(indexSuffix), limit)
	if err != nil {
		return nil, err
	}
	x := newIndex()
	if x.offsets, err = decodeOffsets(b, s.size); err != nil {
		return nil, err
	}
	if b, err = vfs.ReadFile(s.fs, s.sibling(timeSuffix), limit); err != nil {
		return nil, err
	}
	if x.times, err = decodeTimes(b); err != nil {
		return nil, err
	}
	if n := len(x.times); n > 0 {
		x.maxTS, x.maxTSRel = x.times[n-1].ts, x.times[n-1].rel
	}
	b, err = vfs.ReadFile(s.fs, s.sibling(txnSuffix), limit)
	if errors.Is(err, fs.ErrNotExist) {
		return x, nil // no transaction was aborted here
	}
	if err != nil {
		return nil, err
	}
	x.aborted, err = decodeAborted(b)
	return x, err
}

// writeIndex writes the segment's index files without syncing them.
func (s *segment) writeIndex() error {
	x := s.idx.Load()
	x.addTime()
	if err := writeWhole(s.fs, s.sibling(indexSuffix), x.encodeOffsets()); err != nil {
		return err
	}
	if err := writeWhole(s.fs, s.sibling(timeSuffix), x.encodeTimes()); err != nil {
		return err
	}
	if len(x.aborted) == 0 {
		return removeFile(s.fs, s.sibling(txnSuffix))
	}
	return writeWhole(s.fs, s.sibling(txnSuffix), encodeAborted(x.aborted))
}

// sync makes the segment and its indexes durable.
func (s *segment) sync() error {
	f, err := s.open()
	if err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return storage("sync segment", err)
	}
	for _, suffix := range []string{indexSuffix, timeSuffix, txnSuffix, snapshotSuffix} {
		if err := syncFile(s.fs, s.sibling(suffix)); err != nil {
			return err
		}
	}
	return nil
}

// remove deletes the segment's files; readers that hold it can finish.
func (s *segment) remove() error {
	var errs []error
	for _, suffix := range []string{logSuffix, indexSuffix, timeSuffix, txnSuffix, snapshotSuffix} {
		errs = append(errs, removeFile(s.fs, s.sibling(suffix)))
	}
	s.release()
	return errors.Join(errs...)
}

// scanner walks the batches of a segment through a buffer.
type scanner struct {
	s     *segment
	buf   []byte
	chunk []byte // unread part of buf
	pos   int64  // of the next batch
	limit int64
}

const scanBuffer = 256 << 10

func (s *segment) scan(pos, limit int64) *scanner { return &scanner{s: s, pos: pos, limit: limit} }

// next returns the next batch and its position, io.EOF at the limit. A batch
// that does not parse, or ends behind the limit, is a [*CorruptionError]. The
// view is valid until the next call.
func (c *scanner) next() (batch.View, int64, error) {
	if c.pos >= c.limit {
		return nil, 0, io.EOF
	}
	v, rest, err := batch.Parse(c.chunk)
	if errors.Is(err, batch.ErrTruncated) {
		if err := c.fill(); err != nil {
			return nil, c.pos, err
		}
		v, rest, err = batch.Parse(c.chunk)
	}
	if err != nil {
		return nil, c.pos, c.s.corrupt(c.pos, err)
	}
	at := c.pos
	c.chunk = rest
	c.pos += int64(len(v))
	return v, at, nil
}

// each calls fn for every batch of the segment.
func (s *segment) each(fn func(batch.View)) error {
	c := s.scan(0, s.size)
	for {
		v, _, err := c.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		fn(v)
	}
}

// fill reads from pos on, at least the whole next batch if its length is sane.
func (c *scanner) fill() error {
	want := int64(scanBuffer)
	if n, err := batch.Length(c.chunk); err == nil {
		want = max(want, int64(n))
	}
	want = min(want, c.limit-c.pos)
	for {
		if int64(cap(c.buf)) < want {
			c.buf = make([]byte, want)
		}
		c.chunk = c.buf[:want]
		if err := c.s.readAt(c.chunk, c.pos); err != nil {
			return err
		}
		n, err := batch.Length(c.chunk)
		if err != nil || int64(n) <= want || want == c.limit-c.pos {
			return nil // what is wrong, Parse reports
		}
		want = min(int64(n), c.limit-c.pos)
	}
}

func writeWhole(fsys vfs.FS, name string, data []byte) error {
	f, err := fsys.Open(name, os.O_CREATE|os.O_TRUNC)
	if err != nil {
		return storage("write "+filepath.Ext(name), err)
	}
	if len(data) > 0 {
		_, err = f.WriteAt(data, 0)
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	return storage("write "+filepath.Ext(name), err)
}

func syncFile(fsys vfs.FS, name string) error {
	f, err := fsys.Open(name, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return storage("sync "+filepath.Ext(name), err)
	}
	err = f.Sync()
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	return storage("sync "+filepath.Ext(name), err)
}

func removeFile(fsys vfs.FS, name string) error {
	if err := fsys.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return storage("remove "+filepath.Ext(name), err)
	}
	return nil
}
