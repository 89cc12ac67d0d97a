package meta

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/thalweg/thalweg/broker/log/vfs"
	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"
)

// ErrClosed reports a change that was proposed to a closed node. Whether it
// took effect is unknown.
var ErrClosed = errors.New("meta: the metadata node is closed")

// Config configures a Node.
type Config struct {
	// ID is this voter, Voters the whole group.
	ID     uint64
	Voters []uint64
	// Dir holds the Raft state in the file system FS.
	FS  vfs.FS
	Dir string
	// SnapshotEntries is the length of log that makes the node write a
	// snapshot; 0 means 4096.
	SnapshotEntries uint64
	// OnApply is called on the node's goroutine after an image was published,
	// with the records that led to it. It must not call Update.
	OnApply func(img *Image, records []Record)
	// Logger receives what Raft has to say; nil discards it.
	Logger *slog.Logger
}

// Node drives one member of the Raft group. Image may be called from any
// goroutine; so may Update, whose functions run one at a time.
type Node struct {
	cfg   Config
	image atomic.Pointer[Image]
	term  atomic.Uint64

	updates chan *update
	stop    chan struct{}
	done    chan struct{}
	once    sync.Once
	err     error // why the node stopped; set before done is closed

	// Fields below belong to the node's goroutine.
	raw      *raft.RawNode
	storage  *storage
	proposal uint64
	waiting  map[uint64]*update
}

type update struct {
	fn   func(*Image) ([]Record, error)
	done chan error // capacity 1
}

const tickInterval = 100 * time.Millisecond

// Open loads the state in cfg.Dir and starts the node. With a single voter it
// returns when that voter leads and every committed record is applied.
func Open(cfg Config) (*Node, error) {
	if cfg.SnapshotEntries == 0 {
		cfg.SnapshotEntries = 4096
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	st, img, err := openStorage(cfg.FS, cfg.Dir, cfg.Voters)
	if err != nil {
		return nil, err
	}
	raw, err := raft.NewRawNode(&raft.Config{
		ID:                        cfg.ID,
		ElectionTick:              10,
		HeartbeatTick:             1,
		Storage:                   st,
		Applied:                   img.Index,
		MaxSizePerMsg:             1 << 20,
		MaxInflightMsgs:           256,
		MaxUncommittedEntriesSize: 64 << 20,
		CheckQuorum:               true,
		PreVote:                   true,
		DisableProposalForwarding: true,
		Logger:                    &raft.DefaultLogger{Logger: slog.NewLogLogger(cfg.Logger.Handler(), slog.LevelDebug)},
	})
	if err != nil {
		_ = st.close()
		return nil, fmt.Errorf("meta: start raft: %w", err)
	}
	n := &Node{
		cfg:     cfg,
		updates: make(chan *update),
		stop:    make(chan struct{}),
		done:    make(chan struct{}),
		raw:     raw,
		storage: st,
		waiting: map[uint64]*update{},
	}
	n.image.Store(img)
	if len(cfg.Voters) == 1 {
		if err := raw.Campaign(); err != nil {
			_ = st.close()
			return nil, fmt.Errorf("meta: campaign: %w", err)
		}
		if err := n.process(); err != nil {
			_ = st.close()
			return nil, err
		}
	}
	go n.run()
	return n, nil
}

// Image returns the newest image.
func (n *Node) Image() *Image { return n.image.Load() }

// Term returns the Raft term, which grows with each election.
func (n *Node) Term() uint64 { return n.term.Load() }

// Update changes the metadata: fn is given the newest image and returns the
// records of the change, or an error, which Update returns. No records means
// no change. Update returns when the change is applied and durable.
//
// If ctx ends first the change may still happen.
func (n *Node) Update(ctx context.Context, fn func(*Image) ([]Record, error)) error {
	u := &update{fn: fn, done: make(chan error, 1)}
	select {
	case n.updates <- u:
	case <-n.done:
		return n.closedErr()
	case <-ctx.Done():
		return fmt.Errorf("meta: change metadata: %w", context.Cause(ctx))
	}
	select {
	case err := <-u.done:
		return err
	case <-ctx.Done():
		return fmt.Errorf("meta: change metadata: %w", context.Cause(ctx))
	}
}

func (n *Node) closedErr() error {
	if n.err != nil {
		return fmt.Errorf("%w: %w", ErrClosed, n.err)
	}
	return ErrClosed
}

// Done is closed when the node has stopped, on Close or because its disk
// failed; Err then tells which.
func (n *Node) Done() <-chan struct{} { return n.done }

// Err returns why the node stopped by itself; it must be called after Done.
func (n *Node) Err() error { return n.err }

// Close stops the node and closes its files.
func (n *Node) Close() error {
	n.once.Do(func() { close(n.stop) })
	<-n.done
	return n.err
}

func (n *Node) run() {
	defer close(n.done)
	ticker := time.NewTicker(tickInterval)
	defer ticker.Stop()
	for n.err == nil {
		select {
		case u := <-n.updates:
			n.propose(u)
			n.err = n.process()
		case <-ticker.C:
			n.raw.Tick()
			n.err = n.process()
		case <-n.stop:
			n.finish()
			return
		}
	}
	n.cfg.Logger.Error("metadata log failed", "error", n.err)
	n.finish()
}

func (n *Node) finish() {
	if err := n.storage.close(); err != nil && n.err == nil {
		n.err = err
	}
	for _, u := range n.waiting {
		u.done <- n.closedErr()
	}
}

func (n *Node) propose(u *update) {
	records, err := u.fn(n.image.Load())
	if err != nil || len(records) == 0 {
		u.done <- err
		return
	}
	// A change that cannot be applied must not get into the log, where every
	// replay would trip over it.
	if _, err := n.image.Load().Apply(0, records); err != nil {
		u.done <- err
		return
	}
	n.proposal++
	data, err := (&change{Proposal: n.proposal, Records: records}).encode()
	if err == nil {
		err = n.raw.Propose(data)
	}
	if err != nil {
		u.done <- fmt.Errorf("meta: propose: %w", err)
		return
	}
	n.waiting[n.proposal] = u
}

// process does what Raft asks for until it asks for nothing more. The order is
// Raft's contract: persist, then send, then apply.
func (n *Node) process() error {
	for n.raw.HasReady() {
		rd := n.raw.Ready()
		if err := n.storage.save(rd.Entries, rd.HardState); err != nil {
			return err
		}
		if rd.HardState != nil {
			n.term.Store(rd.HardState.GetTerm())
		}
		for _, e := range rd.CommittedEntries {
			if err := n.apply(e); err != nil {
				return err
			}
		}
		n.raw.Advance(rd)
	}
	first, err := n.storage.FirstIndex()
	if err != nil {
		return err
	}
	if img := n.image.Load(); img.Index >= first+n.cfg.SnapshotEntries {
		return n.storage.compact(img)
	}
	return nil
}

func (n *Node) apply(e *raftpb.Entry) error {
	if e.GetType() != raftpb.EntryNormal || len(e.GetData()) == 0 {
		return nil // a new leader's empty entry
	}
	c, err := decodeChange(e.GetData())
	if err != nil {
		return err
	}
	img, err := n.image.Load().Apply(e.GetIndex(), c.Records)
	if err != nil {
		return err
	}
	n.image.Store(img)
	if n.cfg.OnApply != nil {
		n.cfg.OnApply(img, c.Records)
	}
	// Entries of an earlier life carry its proposal numbers, but they are all
	// applied before the first proposal of this one.
	if u := n.waiting[c.Proposal]; u != nil {
		delete(n.waiting, c.Proposal)
		u.done <- nil
	}
	return nil
}
