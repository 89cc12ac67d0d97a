// Package produce writes record batches and ends transactions: the producer of
// one worker.
//
// Records are encoded straight into the batch that is sent; a batch belongs to
// one partition and one transaction, is sealed when it is full or shipped, and
// its buffer is used again once it is acknowledged.
//
// Invariants:
//
//   - per partition, batches are sent in the order they were filled, one at a
//     time per broker, and a retried batch keeps its bytes: its sequence
//     numbers let the broker drop what it already has;
//   - a batch carries the producer id and epoch of the transaction it was
//     filled in; none outlives that transaction;
//   - under one id and epoch, a sequence number of a partition belongs to one
//     batch for ever: the broker answers a second one with what it did with the
//     first, and drops it. So sequences go on across transactions and aborts, and
//     when sealed batches are given up, which may or may not be in the log, their
//     id and epoch are given up with them (KIP-360). Without transactions the
//     Producer takes the next epoch by itself, which also fences what is still
//     under way; with transactions the coordinator gives it, at the end of the
//     transaction (version 2) or by Init (version 1);
//   - the offsets that a partition acknowledges grow. One below those before
//     means that the broker took a batch for another one, or that the log is not
//     the one it was: the batch counts as given up;
//   - after an error other than a retriable one, and while it has no id and epoch
//     to send under, the Producer accepts nothing.
//
// Both transaction protocols are spoken: with the broker's transaction.version
// 2 (KIP-890) partitions join a transaction by being produced to and every end
// bumps the epoch, otherwise partitions and offsets are added explicitly.
package produce

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/thalweg/thalweg/internal/batch"
)

// Cluster answers who leads what. It is safe for concurrent use.
type Cluster interface {
	// Leaders returns the leader of each partition of the topic, -1 where
	// there is none. Without refresh the answer may be from a cache. It
	// reports an error wrapping ErrUnknownTopic when there is no such topic.
	Leaders(ctx context.Context, topic string, refresh bool) ([]int32, error)
}

// Config configures a Producer. All fields are required except TxnID, Codec
// and Logger.
type Config struct {
	Client     *kgo.Client
	Cluster    Cluster
	TxnID      string // empty: idempotent, without transactions
	TxnTimeout time.Duration
	V2         bool // transaction.version 2 is finalized
	Codec      batch.Codec
	BatchBytes int           // a batch is sealed before it grows beyond
	MaxRecord  int           // the largest record accepted, in bytes
	Timeout    time.Duration // how long a batch is retried
	// Notify is called from another goroutine when Poll has something to do.
	// It must not block.
	Notify func()
	Logger *slog.Logger
}

// Producer is owned by one goroutine, which calls all its methods.
type Producer struct {
	cfg    Config
	ctx    context.Context // of the requests; canceled by Close
	cancel context.CancelFunc
	wg     sync.WaitGroup

	id       int64
	epoch    int16
	spent    bool  // id and epoch are given up, or there are none yet
	err      error // sticky until Drop
	inTxn    bool  // the coordinator knows or may know of an open transaction
	topics   map[string]*topic
	brokers  map[int32]bool // those with a request under way
	ready    []*part        // parts with sealed batches
	buffered int            // bytes not yet acknowledged
	free     []*pending

	mu   sync.Mutex
	done []*request // answered, for Poll
}

// topic is what the producer knows of one topic.
type topic struct {
	name  string
	parts []*part
}

// part is one partition's queue.
type part struct {
	topic     *topic
	partition int32
	leader    int32
	sequence  int32 // of the next batch
	added     bool  // to the transaction (version 1)
	busy      bool  // its first batch is under way
	queued    bool  // it is in ready
	open      *pending
	sealed    []*pending
	next      int64 // offset after the last acknowledged record, -1 before
	fresh     bool  // next is of a batch since the last Drop
}

// pending is one batch until it is acknowledged.
type pending struct {
	builder batch.Builder
	view    batch.View // set when sealed
	count   int
	sealed  time.Time
	retryAt time.Time
	cause   error // of its last attempt's failure
}

// New makes a Producer. Init has to succeed before the first Send.
func New(cfg Config) *Producer {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	ctx, cancel := context.WithCancel(context.Background())
	return &Producer{
		cfg: cfg, ctx: ctx, cancel: cancel,
		id: batch.NoProducerID, epoch: batch.NoProducerEpoch, spent: true,
		topics: make(map[string]*topic), brokers: make(map[int32]bool),
	}
}

// Close cancels what is under way and waits for it. It ends no transaction.
func (p *Producer) Close() {
	p.cancel()
	p.wg.Wait()
}

// Buffered is the number of bytes not yet acknowledged.
func (p *Producer) Buffered() int { return p.buffered }

// Dirty reports whether anything was produced since the last end of a
// transaction (without transactions: since the last Drop).
func (p *Producer) Dirty() bool { return p.inTxn }

// Partitions is the number of partitions of a topic.
func (p *Producer) Partitions(name string) (int32, error) {
	t, err := p.topic(name)
	if err != nil {
		return 0, err
	}
	return int32(len(t.parts)), nil
}

// Next is the offset after the last record acknowledged in a partition; ok is
// false if there was none since the last Drop.
func (p *Producer) Next(name string, partition int32) (offset int64, ok bool) {
	t := p.topics[name]
	if t == nil || int(partition) >= len(t.parts) {
		return 0, false
	}
	q := t.parts[partition]
	return q.next, q.fresh
}

// Send encodes a record into its partition's open batch. Key, value and headers
// are copied. It reports a *TooLargeError for a record that no batch may hold,
// an error wrapping ErrUnknownTopic, or the error that ended the transaction.
func (p *Producer) Send(name string, partition int32, key, value []byte, ts int64, headers []batch.Header) error {
	if p.err != nil {
		return p.err
	}
	if p.spent {
		return fmt.Errorf("%w: producer id %d epoch %d is given up, or none, and there is no other yet", ErrAborted, p.id, p.epoch)
	}
	t := p.topics[name]
	if t == nil {
		var err error
		if t, err = p.topic(name); err != nil {
			return err
		}
	}
	if partition < 0 || int(partition) >= len(t.parts) {
		return fmt.Errorf("%w: %s has %d partitions, no %d", ErrUnknownTopic, name, len(t.parts), partition)
	}
	size := recordBound(key, value, headers)
	if size > p.cfg.MaxRecord {
		return &TooLargeError{Topic: name, Size: size, Limit: p.cfg.MaxRecord}
	}
	q := t.parts[partition]
	b := q.open
	if b == nil {
		b = p.begin(q)
	}
	if b.builder.Count() > 0 && b.builder.Len()+size > p.cfg.BatchBytes {
		if err := p.seal(q); err != nil {
			return err
		}
		p.launch()
		b = p.begin(q)
	}
	b.builder.Append(key, value, ts, headers...)
	p.inTxn = true
	return nil
}

// recordBound is the most bytes a record can take in a batch: varints for
// length, timestamp delta, offset delta, key, value and header count, and one
// byte of attributes.
func recordBound(key, value []byte, headers []batch.Header) int {
	n := 5 + 1 + 10 + 5 + 5 + len(key) + 5 + len(value) + 5
	for _, h := range headers {
		n += 5 + len(h.Key) + 5 + len(h.Value)
	}
	return n
}

func (p *Producer) topic(name string) (*topic, error) {
	if t := p.topics[name]; t != nil {
		return t, nil
	}
	leaders, err := p.cfg.Cluster.Leaders(p.ctx, name, false)
	if err != nil && Passing(err) { // the transaction can be tried again
		return nil, p.fail(fmt.Errorf("%w: topic %s: %w", ErrAborted, name, err))
	}
	if err != nil {
		return nil, err
	}
	t := &topic{name: name}
	for i, l := range leaders {
		t.parts = append(t.parts, &part{topic: t, partition: int32(i), leader: l, next: -1})
	}
	p.topics[name] = t
	return t, nil
}

// begin opens a batch for q.
func (p *Producer) begin(q *part) *pending {
	var b *pending
	if n := len(p.free); n > 0 {
		b, p.free = p.free[n-1], p.free[:n-1]
	} else {
		b = new(pending)
	}
	b.builder.Reset(batch.Options{
		LeaderEpoch: -1, ProducerID: p.id, ProducerEpoch: p.epoch, BaseSequence: q.sequence,
		Transactional: p.cfg.TxnID != "",
	})
	b.view, b.retryAt, b.cause = nil, time.Time{}, nil
	q.open = b
	return b
}

// seal closes q's open batch and queues it.
func (p *Producer) seal(q *part) error {
	b := q.open
	if b == nil || b.builder.Count() == 0 {
		return nil
	}
	count := b.builder.Count()
	view, err := b.builder.Finish(p.cfg.Codec)
	if err != nil {
		return p.fail(fmt.Errorf("produce: topic %s: %w", q.topic.name, err))
	}
	b.view, b.count, b.sealed = view, count, time.Now()
	q.sequence = batch.AddSequence(q.sequence, int32(count))
	q.open = nil
	q.sealed = append(q.sealed, b)
	p.buffered += len(view)
	p.enqueue(q)
	return nil
}

func (p *Producer) enqueue(q *part) {
	if !q.queued && !q.busy && len(q.sealed) > 0 {
		q.queued = true
		p.ready = append(p.ready, q)
	}
}

// fail makes err the producer's state.
func (p *Producer) fail(err error) error {
	if p.err == nil {
		p.err = err
	}
	return p.err
}

// Ship seals all open batches and sends what can be sent.
func (p *Producer) Ship() error {
	for _, t := range p.topics {
		for _, q := range t.parts {
			if err := p.seal(q); err != nil {
				return err
			}
		}
	}
	p.launch()
	return p.err
}

// Flush ships everything and waits until it is acknowledged. wake is the
// channel Notify signals. When ctx ends first, the error says which partition
// took nothing, and why.
func (p *Producer) Flush(ctx context.Context, wake <-chan struct{}) error {
	if err := p.Ship(); err != nil {
		return err
	}
	err := p.await(ctx, wake, func() bool { return p.buffered == 0 })
	if err != nil && err == ctx.Err() {
		return p.overdue(err)
	}
	return err
}

// overdue adds to err what is waited for: the partition whose batch is the
// oldest one, and how many others there are.
func (p *Producer) overdue(err error) error {
	var oldest *part
	others := -1
	for _, t := range p.topics {
		for _, q := range t.parts {
			if len(q.sealed) == 0 {
				continue
			}
			others++
			if oldest == nil || q.sealed[0].sealed.Before(oldest.sealed[0].sealed) {
				oldest = q
			}
		}
	}
	if oldest == nil {
		return err
	}
	b := oldest.sealed[0]
	cause := b.cause
	if cause == nil {
		cause = fmt.Errorf("no answer from broker %d", oldest.leader)
	}
	return fmt.Errorf("produce: topic %s partition %d and %d others took no batch for %v: %w: %w",
		oldest.topic.name, oldest.partition, others, time.Since(b.sealed).Round(time.Millisecond), err, cause)
}

// await polls until cond holds, an error comes up, or ctx is done.
func (p *Producer) await(ctx context.Context, wake <-chan struct{}, cond func() bool) error {
	for {
		if err := p.Poll(); err != nil {
			return err
		}
		if cond() {
			return nil
		}
		var again <-chan time.Time
		if at, ok := p.retryAt(); ok {
			again = time.After(time.Until(at))
		}
		select {
		case <-wake:
		case <-again:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Drop forgets everything not acknowledged, after waiting for the requests
// under way, and clears the error. The transaction has to be ended, and where
// Spent says so the producer initialized anew, before the next Send.
func (p *Producer) Drop() {
	p.wg.Wait()
	p.mu.Lock()
	done := p.done
	p.done = nil
	p.mu.Unlock()
	for _, r := range done { // what has been acknowledged is not given up
		p.answered(r)
	}
	clear(p.brokers)
	p.ready = p.ready[:0]
	p.buffered = 0
	given := false
	for _, t := range p.topics {
		for _, q := range t.parts {
			next := q.next
			if len(q.sealed) > 0 {
				given, next = true, -1 // what is sent under another id and epoch is known by those
			}
			p.free = append(p.free, q.sealed...)
			if q.open != nil {
				p.free = append(p.free, q.open)
			}
			*q = part{topic: t, partition: q.partition, leader: q.leader, sequence: q.sequence, added: q.added, next: next}
		}
	}
	p.free = p.free[:min(len(p.free), maxPooled)]
	p.err = nil
	p.spent = p.spent || given
	if given && p.cfg.TxnID == "" && p.epoch < math.MaxInt16 {
		p.renew(p.id, p.epoch+1)
	}
}

// Spent reports that the producer's id and epoch are given up, or that there are
// none yet, and that it needs others before the next Send.
func (p *Producer) Spent() bool { return p.spent }
