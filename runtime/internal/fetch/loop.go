package fetch

import (
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// crowded is how long a broker may hold an answer while some cursor was left
// out for being over its budget: its owner may free it any moment.
const crowded = 2 * time.Millisecond

// retryPause is the wait after a broker could not be reached or asked.
const retryPause = 100 * time.Millisecond

// loop fetches from one broker. Its goroutine owns the session; the set of
// cursors is shared with the Fetcher.
type loop struct {
	f       *Fetcher
	broker  int32
	wake    chan struct{}
	session session

	mu      sync.Mutex
	cursors map[*Cursor]struct{}
}

func (l *loop) add(c *Cursor) {
	l.mu.Lock()
	l.cursors[c] = struct{}{}
	l.mu.Unlock()
	signal(l.wake)
}

func (l *loop) remove(c *Cursor) {
	l.mu.Lock()
	delete(l.cursors, c)
	l.mu.Unlock()
}

func (l *loop) run() {
	for l.f.ctx.Err() == nil {
		wants, full := l.wants()
		if len(wants) == 0 {
			select {
			case <-l.wake:
			case <-l.f.ctx.Done():
			}
			continue
		}
		if !l.fetch(wants, full) {
			select {
			case <-time.After(retryPause):
			case <-l.f.ctx.Done():
			}
		}
	}
}

// wants collects what to ask for. full reports that some cursor is left out.
func (l *loop) wants() (wants map[key]want, full bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	wants = make(map[key]want, len(l.cursors))
	for c := range l.cursors {
		c.mu.Lock()
		switch {
		case c.closed || c.broker != l.broker || c.status.Err != nil:
			delete(l.cursors, c)
		case c.status.Buffered >= l.f.cfg.Budget:
			full = true
		default:
			k := key{c.topic, c.topicID, c.partition}
			// A partition may have two readers for a moment, as when a
			// task restarts; they take turns.
			if _, taken := wants[k]; !taken {
				wants[k] = want{c, c.status.Position, c.leaderEpoch, l.f.cfg.PartitionBytes}
			}
		}
		c.mu.Unlock()
	}
	return wants, full
}

// fetch asks once. It reports false when the broker did not answer.
func (l *loop) fetch(wants map[key]want, full bool) bool {
	req := kmsg.NewPtrFetchRequest()
	req.MinBytes = 1
	req.MaxBytes = l.f.cfg.MaxBytes
	req.MaxWaitMillis = int32(l.f.cfg.MaxWait.Milliseconds())
	if full {
		req.MaxWaitMillis = int32(crowded.Milliseconds())
	}
	if l.f.cfg.Committed {
		req.IsolationLevel = 1
	}
	l.session.fill(req, wants)

	r, err := l.f.cfg.Client.Broker(int(l.broker)).Request(l.f.ctx, req)
	if err != nil {
		l.session.reset()
		if l.f.ctx.Err() == nil {
			l.f.cfg.Logger.Debug("fetch failed", "broker", l.broker, "err", err)
			for _, w := range wants {
				w.cursor.lose()
			}
			l.f.poke()
		}
		return false
	}
	resp := r.(*kmsg.FetchResponse)
	if err := kerr.ErrorForCode(resp.ErrorCode); err != nil {
		// Unknown session, wrong epoch, unknown topic id: start a new session.
		l.session.reset()
		l.f.cfg.Logger.Debug("fetch session ended", "broker", l.broker, "err", err)
		return resp.ErrorCode == kerr.FetchSessionIDNotFound.Code || resp.ErrorCode == kerr.InvalidFetchSessionEpoch.Code
	}
	l.session.advance(resp.SessionID)
	// The answer names topics by name or, from version 13 on, by id.
	ids := make(map[string][16]byte)
	names := make(map[[16]byte]string)
	for k := range wants {
		ids[k.topic], names[k.id] = k.id, k.topic
	}
	ok := true
	for i := range resp.Topics {
		t := &resp.Topics[i]
		k := key{topic: t.Topic, id: t.TopicID}
		if k.topic != "" {
			k.id = ids[k.topic]
		} else {
			k.topic = names[k.id]
		}
		for j := range t.Partitions {
			p := &t.Partitions[j]
			k.partition = p.Partition
			if w, asked := wants[k]; asked {
				ok = l.partition(w, p) && ok
			}
		}
	}
	return ok
}

// partition handles one partition's part of an answer. It reports false when
// the loop should pause before asking again.
func (l *loop) partition(w want, p *kmsg.FetchResponseTopicPartition) bool {
	c := w.cursor
	switch err := kerr.ErrorForCode(p.ErrorCode); err {
	case nil:
	case kerr.OffsetOutOfRange:
		c.outOfRange(w.offset)
		l.f.poke()
		return true
	case kerr.TopicAuthorizationFailed, kerr.UnsupportedCompressionType:
		c.stop(fmt.Errorf("fetch: topic %s partition %d: %w", c.topic, c.partition, err))
		return true
	default:
		// Leadership moved, the replica is not ready, the topic was made
		// anew: ask the metadata.
		l.f.cfg.Logger.Debug("fetch refused", "topic", c.topic, "partition", c.partition, "broker", l.broker, "err", err)
		c.refused(err)
		l.f.poke()
		return false
	}
	views, next, err := cut(p.RecordBatches, w.offset, l.f.cfg.Committed, p.AbortedTransactions)
	if err != nil {
		c.stop(fmt.Errorf("topic %s partition %d: %w", c.topic, c.partition, err))
		return true
	}
	c.deliver(w.offset, views, next, len(p.RecordBatches), p.HighWatermark, p.LastStableOffset, p.LogStartOffset)
	return true
}
