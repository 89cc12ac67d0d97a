package runtime

import (
	"errors"
	"fmt"
	"strings"

	"github.com/thalweg/thalweg/runtime/internal/fetch"
)

// lost notes that a source, or the topic of a global store, goes on behind
// records that nobody has read.
func (a *App) lost(g fetch.Gap) {
	if g.Lost() == 0 {
		a.logger.Warn("a topic ends before what was read of it; it is read again as its reset policy says", "topic", g.Topic, "partition", g.Partition, "read", g.From, "goes_on", g.To)
		return
	}
	a.logger.Warn("records were deleted before they were read", "topic", g.Topic, "partition", g.Partition,
		"first", g.From, "last", g.To-1, "records", g.Lost(), "remedy", "retention.ms and retention.bytes of the topic have to outlast a pause of the application; Config.RefuseLostRecords refuses to go on")
	a.numbers.mu.Lock()
	defer a.numbers.mu.Unlock()
	if a.numbers.lost == nil {
		a.numbers.lost = make(map[string]int64)
	}
	a.numbers.lost[g.Topic] += g.Lost()
}

// errLostOffsets reports a task that would process records again on top of what
// they have made already.
var errLostOffsets = errors.New("runtime: committed offsets are gone while the state that belongs to them is there")

// checkOffsets compares what the group has committed for a task with what its
// stores hold, once they are restored: rows come of records, so there are offsets
// where there are rows. Exactly once they are committed together. At least once a
// process may have died between.
func (w *worker) checkOffsets(s *slot) error {
	if len(s.unread) == 0 {
		return nil
	}
	var stores []string
	for _, st := range s.task.Stores() {
		if st.Changelog != "" && !st.Logged {
			continue // the source's own, restored up to the committed offset
		}
		empty, err := st.Partition.Empty()
		if err != nil {
			return err
		}
		if !empty {
			stores = append(stores, st.Declared.Name)
		}
	}
	if len(stores) == 0 {
		return nil
	}
	group, topics, held := w.app.cfg.ApplicationID, strings.Join(s.unread, ", "), strings.Join(stores, ", ")
	if w.app.cfg.AllowLostOffsets || !w.app.cfg.transactional() {
		w.app.logger.Warn("committed offsets are gone while the state that belongs to them is there: records are counted again, or skipped, as the reset policy says",
			"task", name(s.id), "group", group, "topics", topics, "stores", held)
		return nil
	}
	return fmt.Errorf("%w: task %s: group %s has no offset for partition %d of %s, and these stores hold rows: %s. Brokers forget the offsets of a group without members after offsets.retention.minutes, and those of a deleted topic. Set the group's offsets to where the application ended, or delete its internal topics and local state to begin anew, or set Config.AllowLostOffsets",
		errLostOffsets, name(s.id), group, s.id.Partition, topics, held)
}
