package log

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strconv"

	"github.com/thalweg/thalweg/broker/log/vfs"
)

// checkpointFile holds what Kafka keeps for a whole log directory in separate
// files; here each partition has its own, replaced as one step.
const checkpointFile = "checkpoint"

// checkpoint is what a log knows about itself beside its segments.
type checkpoint struct {
	recovery      int64 // everything below was synced: damage there is corruption
	logStart      int64
	highWatermark int64
	cleaned       int64  // below it compaction has been
	incarnation   string // of the file system when this was written

	// clean closing: the active segment and its size. They match only if
	// nothing was appended since.
	clean      bool
	activeBase int64
	activeSize int64
}

func (c *checkpoint) encode() []byte {
	b := fmt.Appendf(nil, "0\nrecovery-point %d\nlog-start %d\nhigh-watermark %d\ncleaned %d\nincarnation %s\n",
		c.recovery, c.logStart, c.highWatermark, c.cleaned, c.incarnation)
	if c.clean {
		b = fmt.Appendf(b, "clean %d %d\n", c.activeBase, c.activeSize)
	}
	return fmt.Appendf(b, "crc32c %08x\n", castagnoli(b))
}

func decodeCheckpoint(b []byte) (checkpoint, error) {
	var c checkpoint
	at := bytes.LastIndex(b, []byte("crc32c "))
	if at < 0 {
		return c, errors.New("no checksum")
	}
	if want := fmt.Sprintf("crc32c %08x\n", castagnoli(b[:at])); string(b[at:]) != want {
		return c, errors.New("wrong checksum")
	}
	lines := bytes.Split(bytes.TrimSuffix(b[:at], []byte("\n")), []byte("\n"))
	if string(lines[0]) != "0" {
		return c, fmt.Errorf("unknown version %q", lines[0])
	}
	for _, line := range lines[1:] {
		name, value, _ := bytes.Cut(line, []byte(" "))
		var err error
		switch string(name) {
		case "recovery-point":
			c.recovery, err = parseOffset(value)
		case "log-start":
			c.logStart, err = parseOffset(value)
		case "high-watermark":
			c.highWatermark, err = parseOffset(value)
		case "cleaned":
			c.cleaned, err = parseOffset(value)
		case "incarnation":
			c.incarnation = string(value)
		case "clean":
			base, size, _ := bytes.Cut(value, []byte(" "))
			c.clean = true
			if c.activeBase, err = parseOffset(base); err == nil {
				c.activeSize, err = parseOffset(size)
			}
		default:
			return c, fmt.Errorf("unknown line %q", line)
		}
		if err != nil {
			return c, err
		}
	}
	return c, nil
}

func parseOffset(b []byte) (int64, error) {
	n, err := strconv.ParseInt(string(b), 10, 64)
	if err != nil || n < 0 {
		return 0, fmt.Errorf("%q is no offset", b)
	}
	return n, nil
}

// readCheckpoint returns the zero checkpoint when there is none. A damaged one
// counts as none: the log is then scanned as a whole.
func (l *Log) readCheckpoint() (c checkpoint, found bool, err error) {
	b, err := vfs.ReadFile(l.cfg.FS, l.path(checkpointFile), 1<<20)
	if errors.Is(err, fs.ErrNotExist) {
		return checkpoint{}, false, nil
	}
	if err != nil {
		return checkpoint{}, false, storage("read checkpoint", err)
	}
	c, err = decodeCheckpoint(b)
	if err != nil {
		l.cfg.Logger.Warn("log: checkpoint is damaged, scanning the whole log", "dir", l.dir, "err", err)
		return checkpoint{}, false, nil
	}
	return c, true, nil
}

// Checkpoint saves recovery point, log start and high watermark. A restart
// after a crash scans, and may truncate, only what lies behind the saved
// recovery point. Call it every few seconds for logs that changed.
func (l *Log) Checkpoint() error {
	l.writeMu.Lock()
	defer l.writeMu.Unlock()
	if err := l.usable(); err != nil {
		return err
	}
	var c checkpoint
	if l.stillClean() {
		c = checkpoint{clean: true, activeBase: l.saved.activeBase, activeSize: l.saved.activeSize}
	}
	return l.saveCheckpoint(c)
}

// stillClean reports that nothing was appended since a clean closing.
func (l *Log) stillClean() bool {
	active := l.active()
	return l.saved.clean && l.saved.activeBase == active.base && l.saved.activeSize == active.size
}

// markDirty revokes the mark of a clean closing. Its base and size no longer
// match once something was appended, but they could again after a crash took
// that away; so the mark must be gone before index files are written anew.
func (l *Log) markDirty() error {
	if !l.saved.clean {
		return nil
	}
	return l.saveCheckpoint(checkpoint{})
}

// saveCheckpoint writes the current offsets; c brings what the caller adds.
func (l *Log) saveCheckpoint(c checkpoint) error {
	c.recovery = l.flushed.Load()
	c.logStart = l.logStart.Load()
	c.highWatermark = l.hw.Load()
	c.cleaned = l.cleaned.Load()
	c.incarnation = l.cfg.FS.Incarnation()
	if c == l.saved {
		return nil
	}
	if err := vfs.WriteFile(l.cfg.FS, l.path(checkpointFile), c.encode(), true); err != nil {
		return storage("write checkpoint", err)
	}
	l.saved = c
	l.recovery.Store(c.recovery)
	return nil
}

func (l *Log) path(name string) string { return filepath.Join(l.dir, name) }
