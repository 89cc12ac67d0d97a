package task

import (
	"errors"
	"fmt"
	"slices"

	"github.com/thalweg/thalweg/processor"
	"github.com/thalweg/thalweg/state"
	"github.com/thalweg/thalweg/topology"
)

// Store is one open store of a task.
type Store struct {
	Declared  topology.Store
	Spec      state.Spec
	Store     state.Store
	Partition *state.Partition
	// Changelog is the full name of the topic that the store is restored from,
	// "" when there is none. Logged says that the task writes it.
	Changelog string
	Logged    bool

	env    state.Env
	reader state.Store // see Reader
}

// Reader returns the store as it is seen by those who may not write it.
func (s *Store) Reader() (state.Store, error) {
	if s.reader == nil {
		env := s.env
		env.ReadOnly, env.Cache, env.Log = true, nil, nil
		r, err := s.Declared.Handle.(state.Declared).Open(env)
		if err != nil {
			return nil, err
		}
		s.reader = r
	}
	return s.reader, nil
}

// Stores returns the task's stores, in the order in which they are flushed. The
// owner restores them between New and Init: by Store.Restore for each record of
// the changelog's partition from Partition.Position on.
func (t *Task) Stores() []*Store { return t.stores }

// openStores opens the stores of the task's sub-topologies, in the order of the
// nodes that use them.
func (t *Task) openStores() error {
	subs := map[int]bool{}
	for _, s := range t.cfg.Topology.SubTopologies() {
		subs[s.ID] = len(t.cfg.Subs) == 0 && !s.Global || slices.Contains(t.cfg.Subs, s.ID)
	}
	for _, s := range t.cfg.Topology.Stores {
		if !subs[s.Sub] {
			continue
		}
		if err := t.openStore(s); err != nil {
			return fmt.Errorf("task %s: store %q: %w", t.cfg.ID, s.Name, err)
		}
	}
	return nil
}

func (t *Task) openStore(declared topology.Store) error {
	h, ok := declared.Handle.(state.Declared)
	if !ok {
		return fmt.Errorf("%T is not a handle of package state", declared.Handle)
	}
	if t.cfg.State == nil {
		return errors.New("the application has no state engine")
	}
	p, err := t.cfg.State.Open(declared.Name, t.cfg.Partition)
	if err != nil {
		return err
	}
	s := &Store{Declared: declared, Spec: h.Spec(), Partition: p}
	s.Logged = s.Spec.Logged && !declared.NoChangelog
	if s.Logged || declared.SourceTopic != "" {
		s.Changelog = declared.Changelog(t.cfg.ApplicationID)
	}
	t.stores = append(t.stores, s)
	env := state.Env{
		Partition: p, Record: t.record, SetRecord: t.setRecord, Cache: t.cfg.Cache, Dropped: t.ctx.Drop,
	}
	if declared.Writer != "" {
		env.Cache = nil // its readers see the rows alone
	}
	if s.Logged {
		topic := s.Changelog
		env.Log = func(key, value []byte, ts int64, h processor.Headers) error {
			return processor.Fatal(t.collector.Send(topic, t.cfg.Partition, key, value, ts, h))
		}
	}
	s.env = env
	s.Store, err = h.Open(env)
	return err
}

// record is the context of the record at hand, for stores.
func (t *Task) record() state.Record {
	f := t.ctx.Frame()
	return state.Record{Topic: f.Topic, Partition: f.Partition, Offset: f.Offset, Timestamp: f.Timestamp, Headers: f.Headers}
}

// setRecord makes the record of a cache entry the one at hand.
func (t *Task) setRecord(r state.Record) {
	f := t.ctx.Frame()
	f.Topic, f.Partition, f.Offset, f.Timestamp, f.Headers = r.Topic, r.Partition, r.Offset, r.Timestamp, r.Headers
}

// open finds an open store for processor.Context.Store.
func (t *Task) open(name string) any {
	for _, s := range t.stores {
		if s.Declared.Name == name {
			return s.Store
		}
	}
	if t.cfg.Global != nil {
		if s, ok := t.cfg.Global(name); ok {
			return s
		}
	}
	return nil
}

// openReader finds a store for a node that must not write it.
func (t *Task) openReader(name string) any {
	for _, s := range t.stores {
		if s.Declared.Name == name {
			r, err := s.Reader()
			if err != nil {
				return err
			}
			return r
		}
	}
	return t.open(name)
}

func (t *Task) isGlobal(name string) bool {
	s, ok := t.cfg.Topology.Store(name)
	return ok && s.Global
}

func (t *Task) closeStores() error {
	var errs []error
	for _, s := range t.stores {
		if s.Store != nil {
			errs = append(errs, s.Store.Close())
		}
		t.cfg.State.Release(s.Partition)
	}
	t.stores = nil
	return errors.Join(errs...)
}
