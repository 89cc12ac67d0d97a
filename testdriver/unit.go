package testdriver

import (
	"github.com/thalweg/thalweg/internal/task"
	"github.com/thalweg/thalweg/processor"
	"github.com/thalweg/thalweg/state"
)

// unit is one task with what outlives it: its committed offsets.
type unit struct {
	d         *Driver
	id        string
	subs      []int
	partition int32

	txn       *state.Txn
	task      *task.Task
	committed map[string]task.Committed // by topic
	offsets   []task.Committed          // of the commit under way
	retries   int
	suffix    map[string]int // see placement.go
}

// start makes the task from the committed state.
func (u *unit) start() (err error) {
	d := u.d
	u.txn = d.db.NewTxn()
	cfg := task.Config{
		Context: background, Topology: d.topo, Subs: u.subs, Partition: u.partition,
		ApplicationID: d.cfg.appID, ID: u.id, State: u.txn, Collector: u,
		Global: d.globalStore, OnFailure: d.cfg.onFailure, DeadLetters: d.cfg.deadLetters,
		MaxIdle: d.cfg.maxIdle, EmitInterval: d.cfg.emitInterval, Lockstep: true,
		Reads: func(topic string) bool { return u.partition < d.partitionsOf(topic) },
	}
	if d.cfg.cacheBytes > 0 {
		cfg.Cache = state.NewCache(d.cfg.cacheBytes)
	}
	if u.task, err = task.New(cfg); err != nil {
		return err
	}
	u.suffix = suffixes(d, u)
	if err := u.restore(); err != nil {
		return err
	}
	for topic, c := range u.committed {
		m, err := task.DecodeMetadata(c.Metadata)
		if err != nil {
			return err
		}
		u.task.Resume(topic, c.Offset, m)
	}
	if err := u.task.Init(d.now); err != nil {
		return err
	}
	return u.refetch()
}

// restore brings the stores up to the ends of their changelogs.
func (u *unit) restore() error {
	for _, s := range u.task.Stores() {
		if s.Changelog == "" || !u.d.keeps() {
			continue
		}
		records := u.d.topic(s.Changelog).records[u.partition]
		pos := s.Partition.Position()
		end := int64(len(records))
		if !s.Logged { // the source topic: only what is committed
			end = u.committed[s.Changelog].Offset
		}
		for o := max(pos.Offset, 0); o < end; o++ {
			r := &records[o]
			if r.Key == nil {
				continue
			}
			if err := s.Store.Restore(r.Key, r.Value, r.Timestamp, r.Headers); err != nil {
				return err
			}
		}
		pos.Offset = end
		s.Partition.SetPosition(pos)
	}
	return u.txn.Commit()
}

// refetch queues what follows the committed offsets.
func (u *unit) refetch() error {
	if !u.d.keeps() {
		return nil
	}
	for _, topic := range u.task.Topics() {
		records := u.d.topic(topic).records[u.partition]
		for o := u.committed[topic].Offset; o < int64(len(records)); o++ {
			if err := u.task.Enqueue(topic, u.d.batch(&records[o], true), u.d.now); err != nil {
				return err
			}
		}
	}
	return nil
}

// flush begins a commit: it writes back the caches and notes the offsets.
func (u *unit) flush() error {
	if err := u.task.Flush(u.d.now); err != nil {
		return err
	}
	if u.d.keeps() {
		u.offsets = u.task.Offsets(u.offsets[:0])
	}
	return nil
}

// lazyBytes is how much of what is committed a task keeps above the engine
// before it hands that down. Where no task is ever started again, nobody can
// tell, and the engine is spared a batch for each record.
const lazyBytes = 1 << 20

// done makes a commit final. What was sent in it has its place in the logs.
func (u *unit) done() error {
	if u.d.keeps() {
		if u.committed == nil {
			u.committed = map[string]task.Committed{}
		}
		for _, c := range u.offsets {
			u.committed[c.Topic] = c
		}
		for _, s := range u.task.Stores() {
			if s.Changelog == "" {
				continue
			}
			pos := s.Partition.Position()
			pos.Offset = u.d.topic(s.Changelog).next[u.partition]
			if !s.Logged {
				pos.Offset = u.committed[s.Changelog].Offset
			}
			s.Partition.SetPosition(pos)
		}
	}
	u.task.Done()
	if u.d.lazy && u.txn.Size() < lazyBytes {
		return nil
	}
	return u.txn.Commit()
}

func (u *unit) dropped() map[string]int64 {
	if u.task == nil {
		return nil
	}
	return u.task.Dropped()
}

// stop ends the task; what it did since the last commit is lost.
func (u *unit) stop() error {
	if u.task == nil {
		return nil
	}
	for r, n := range u.task.Dropped() {
		u.d.drops[r] += n
	}
	u.txn.Abort()
	err := u.task.Close()
	u.task = nil
	return err
}

// globalStore finds a store of the global task.
func (d *Driver) globalStore(name string) (any, bool) {
	if d.global == nil || d.global.task == nil {
		return nil, false
	}
	for _, s := range d.global.task.Stores() {
		if s.Declared.Name == name {
			r, err := s.Reader()
			return r, err == nil
		}
	}
	return nil, false
}

var _ processor.Collector = (*unit)(nil)
