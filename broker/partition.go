package broker

import (
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/thalweg/thalweg/broker/log"
	"github.com/thalweg/thalweg/broker/meta"
	"github.com/thalweg/thalweg/internal/batch"
	"github.com/twmb/franz-go/pkg/kerr"
)

// partition is a replica on this broker: a log that is opened at the first use,
// the rules its topic sets, and the consumers that wait for it to grow.
//
// There is one replica, so the high watermark is what the flush policy makes
// durable: the flushed end of the log with FlushAlways, its end with FlushOS.
type partition struct {
	b     *Broker
	topic string
	id    meta.ID
	index int32

	rules atomic.Pointer[rules]
	epoch atomic.Int32 // leader epoch

	mu     sync.Mutex // serialises opening and closing
	opened atomic.Pointer[log.Log]
	closed bool

	syncFailed atomic.Bool // and was logged
	cleaning   cleaning

	waitMu  sync.Mutex
	waiters []*waiter
}

// rules are the topic's configurations that matter all the time, parsed.
type rules struct {
	maxBatch      int
	compacted     bool
	deletes       bool
	logAppendTime bool
	codec         batch.Codec // of stored batches, unless keepCodec
	keepCodec     bool
	before, after int64 // bounds of timestamps around now, in ms

	// Compaction.
	dirtyRatio              float64
	deleteRetention, minLag time.Duration
}

func newRules(c meta.Configs) *rules {
	codec, keep := targetCodec(c.String("compression.type"))
	return &rules{
		maxBatch:      int(c.Int("max.message.bytes")),
		compacted:     c.Has("cleanup.policy", "compact"),
		deletes:       c.Has("cleanup.policy", "delete"),
		logAppendTime: c.String("message.timestamp.type") == "LogAppendTime",
		codec:         codec,
		keepCodec:     keep,
		before:        c.Int("message.timestamp.before.max.ms"),
		after:         c.Int("message.timestamp.after.max.ms"),

		dirtyRatio:      c.Float("min.cleanable.dirty.ratio"),
		deleteRetention: milliseconds(c.Int("delete.retention.ms")),
		minLag:          milliseconds(c.Int("min.compaction.lag.ms")),
	}
}

// timestamps returns the smallest and largest timestamp a record may have now.
func (r *rules) timestamps(now int64) (low, high int64) {
	low, high = now-r.before, now+r.after
	if r.before > now {
		low = math.MinInt64
	}
	if high < 0 {
		high = math.MaxInt64
	}
	return low, high
}

// log returns the partition's log, which it opens if need be.
func (p *partition) log() (*log.Log, error) {
	if l := p.opened.Load(); l != nil {
		return l, nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if l := p.opened.Load(); l != nil {
		return l, nil
	}
	if p.closed {
		return nil, kerr.NotLeaderForPartition
	}
	l, err := log.Open(p.dir(), p.b.topics.logConfig(p))
	if errors.Is(err, log.ErrTopicID) {
		// The topic was deleted and created again while nobody looked.
		if err = p.moveStray(); err == nil {
			l, err = log.Open(p.dir(), p.b.topics.logConfig(p))
		}
	}
	if err != nil {
		p.b.log.Error("cannot open partition", "topic", p.topic, "partition", p.index, "error", explain(err, p.b.cfg.DataDir))
		return nil, fmt.Errorf("%w: %w", kerr.KafkaStorageError, err)
	}
	l.SetHighWatermark(l.LogEnd()) // a single replica has nobody to ask
	p.opened.Store(l)
	return l, nil
}

func (p *partition) dir() string {
	return filepath.Join(p.b.cfg.DataDir, fmt.Sprintf("%s-%d", p.topic, p.index))
}

// moveStray renames a directory that belongs to another topic of the same
// name. It is kept: deleting data on the strength of a mismatch would turn a
// lost metadata directory into lost data.
func (p *partition) moveStray() error {
	to := fmt.Sprintf("%s.%d-stray", p.dir(), time.Now().UnixNano())
	p.b.log.Warn("partition directory belongs to another topic id, moving it away", "dir", p.dir(), "to", to)
	return p.b.fs.Rename(p.dir(), to)
}

// append adds a client's batch. It does not wait for it to be durable; commit
// does.
func (p *partition) append(data []byte, opts log.AppendOptions) (*log.Log, log.AppendInfo, error) {
	l, err := p.log()
	if err != nil {
		return nil, log.AppendInfo{}, err
	}
	opts.LeaderEpoch = p.epoch.Load()
	info, err := l.Append(data, opts)
	if err != nil {
		return nil, log.AppendInfo{}, p.appendError(err)
	}
	if p.b.cfg.Flush == FlushOS {
		l.SetHighWatermark(info.LastOffset + 1)
	}
	return l, info, nil
}

// commit returns when the records up to and including offset are committed.
func (p *partition) commit(l *log.Log, offset int64) error {
	if p.b.cfg.Flush == FlushOS || l.HighWatermark() > offset {
		return nil
	}
	if err := l.FlushTo(offset + 1); err != nil {
		return p.appendError(err)
	}
	l.SetHighWatermark(l.Flushed())
	return nil
}

// appendError adds to an error of the log what Kafka calls it.
func (p *partition) appendError(err error) error {
	var (
		corrupt *batch.CorruptError
		invalid *batch.InvalidError
		storage *log.StorageError
	)
	kind := kerr.UnknownServerError
	switch {
	case errors.As(err, &corrupt), errors.Is(err, batch.ErrTruncated):
		kind = kerr.CorruptMessage
	case errors.As(err, &invalid) && invalid.Timestamp:
		kind = kerr.InvalidTimestamp
	case errors.As(err, &invalid), errors.Is(err, batch.ErrTooLarge):
		kind = kerr.InvalidRecord
	case errors.Is(err, log.ErrOutOfOrderSequence):
		kind = kerr.OutOfOrderSequenceNumber
	case errors.Is(err, log.ErrProducerFenced):
		kind = kerr.InvalidProducerEpoch
	case errors.Is(err, log.ErrCoordinatorFenced):
		kind = kerr.TransactionCoordinatorFenced
	case errors.Is(err, log.ErrInvalidTxnState):
		kind = kerr.InvalidTxnState
	case errors.Is(err, log.ErrTooLarge):
		kind = kerr.RecordListTooLarge
	case errors.Is(err, log.ErrStaleEpoch), errors.Is(err, log.ErrClosed):
		kind = kerr.NotLeaderForPartition
	case errors.As(err, &storage):
		kind = kerr.KafkaStorageError
		p.b.log.Error("partition storage failed", "topic", p.topic, "partition", p.index, "error", explain(err, p.b.cfg.DataDir))
	default:
		if k := (*kerr.Error)(nil); errors.As(err, &k) {
			return err
		}
		p.b.log.Error("unexpected error of a partition", "topic", p.topic, "partition", p.index, "error", err)
	}
	return fmt.Errorf("%w: %w", kind, err)
}

// checkEpoch compares the leader epoch a client believes in, -1 if it has no
// opinion, with the partition's.
func (p *partition) checkEpoch(epoch int32) error {
	switch current := p.epoch.Load(); {
	case epoch < 0 || epoch == current:
		return nil
	case epoch < current:
		return kerr.FencedLeaderEpoch
	default:
		return kerr.UnknownLeaderEpoch
	}
}

// stop makes the partition unusable and returns its log, if it was open.
func (p *partition) stop() *log.Log {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	l := p.opened.Swap(nil)
	p.wake()
	return l
}
