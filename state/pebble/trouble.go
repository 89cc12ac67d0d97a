package pebble

import (
	"fmt"
	"log/slog"
	"sync"
)

// trouble is the first error of a flush or a compaction, as of a full disk. Pebble goes on trying, hundreds of times a
// second, and holds up writers when its memtables are full; the engine takes no more writes instead. What is lost of it
// is restored from the changelogs.
type trouble struct {
	log      *slog.Logger // may be nil
	once     sync.Once
	first    error
	happened chan struct{}
}

func newTrouble(log *slog.Logger) *trouble { return &trouble{log: log, happened: make(chan struct{})} }

func (t *trouble) report(err error) {
	t.once.Do(func() {
		t.first = fmt.Errorf("cannot write to the disk: %w", err)
		close(t.happened)
		if t.log != nil {
			t.log.Error("pebble takes no more writes", "err", t.first)
		}
	})
}

func (t *trouble) err() error {
	select {
	case <-t.happened:
		return t.first
	default:
		return nil
	}
}
