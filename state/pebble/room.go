package pebble

import (
	"sync"

	"github.com/cockroachdb/pebble/v2"
)

// Pebble holds up a writer while memtables wait for the disk or tables for a
// compaction. On a full disk that is for ever, whatever error there was
// meanwhile. So its own limits are out of reach (noLimit), and the engine waits
// before it writes or takes in files, for progress or for trouble.
const (
	maxMemtables = 3  // in units of MemTableSize, the one being written included
	maxSublevels = 12 // of level 0, Pebble's default
	noLimit      = 1 << 10
)

// progress tells waiting writers of each flush and compaction that has ended.
type progress struct {
	mu   sync.Mutex
	next chan struct{}
}

func newProgress() *progress { return &progress{next: make(chan struct{})} }

// made is called by Pebble, which may hold its own lock.
func (p *progress) made() {
	p.mu.Lock()
	defer p.mu.Unlock()
	close(p.next)
	p.next = make(chan struct{})
}

// wait returns a channel that is closed when the next one has ended.
func (p *progress) wait() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.next
}

// room waits until there is room for a write. It fails when the disk does not
// take what was written before.
func (e *engine) room() error {
	for {
		next := e.progress.wait() // before the look, so that none is missed
		if err := e.background.err(); err != nil {
			return err
		}
		if m := e.db.Metrics(); !crowded(m, e.opts.MemTableSize) {
			return nil
		}
		select {
		case <-next:
		case <-e.background.happened:
		}
	}
}

func crowded(m *pebble.Metrics, memtable uint64) bool {
	return m.MemTable.Size >= maxMemtables*memtable || m.Levels[0].Sublevels >= maxSublevels
}
