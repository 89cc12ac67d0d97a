package runtime

import (
	"errors"
	"fmt"
	"slices"

	"github.com/thalweg/thalweg/runtime/internal/assign"
	"github.com/thalweg/thalweg/state"
	"github.com/thalweg/thalweg/topology"
)

// What queries report where an answer would not be right; test with errors.Is. The
// errors that wrap them name store and partition.
var (
	// ErrNotRunning: Run has not opened the stores yet, or has closed them.
	ErrNotRunning = errors.New("runtime: the application is not running")
	// ErrNotHere: another process runs the partition, or none does at the moment.
	ErrNotHere = errors.New("runtime: the partition is not in this process")
	// ErrRestoring: this process is preparing or restoring the partition, or loading
	// the global stores; ask again.
	ErrRestoring = errors.New("runtime: the partition is being restored")
)

// Snapshot is the committed state of this process at one instant: whole
// transactions, of all stores. Other processes hold other partitions. It may be
// used by one goroutine, any one, and has to be closed before Run returns.
type Snapshot struct {
	app   *App
	db    *state.DB
	snap  state.Snapshot
	stale bool
	tasks map[assign.Task]phase // that were here then
	// loaded says that the global stores were.
	loaded bool
}

// QueryOption changes what a Snapshot answers.
type QueryOption func(*Snapshot)

// AllowStale has a Snapshot answer for partitions that are being restored, and for
// those that were here before and have moved on, with what the local engine has of
// them. [Snapshot.Position] tells how old that is.
func AllowStale() QueryOption { return func(s *Snapshot) { s.stale = true } }

// Snapshot takes a snapshot of all stores of this process. It may be called
// from any goroutine.
func (a *App) Snapshot(opts ...QueryOption) (*Snapshot, error) {
	a.dbMu.Lock()
	defer a.dbMu.Unlock()
	if a.db == nil {
		return nil, ErrNotRunning
	}
	s := &Snapshot{app: a, db: a.db, loaded: a.globals.Load().isLoaded()}
	for _, o := range opts {
		o(s)
	}
	a.readers.Add(1)
	s.tasks = a.tasks.freeze(func() { s.snap = a.db.Snapshot() })
	return s, nil
}

// Close releases the snapshot.
func (s *Snapshot) Close() error {
	defer s.app.readers.Done()
	return s.snap.Close()
}

// Partitions are the partitions of a store that this process ran when the snapshot
// was taken, sorted: those that have right answers. A global store has partition 0.
func (s *Snapshot) Partitions(store string) ([]int32, error) {
	declared, err := s.declared(store)
	if err != nil || declared.Global {
		return []int32{0}, err
	}
	var running []int32
	for t, p := range s.tasks {
		if int(t.Sub) == declared.Sub && p == phaseRunning {
			running = append(running, t.Partition)
		}
	}
	slices.Sort(running)
	return running, nil
}

func (s *Snapshot) declared(store string) (topology.Store, error) {
	declared, ok := s.app.topology.Store(store)
	if !ok {
		return declared, fmt.Errorf("runtime: the topology has no store %q", store)
	}
	return declared, nil
}

// answers reports why the snapshot has no right answer for a partition of a store.
func (s *Snapshot) answers(store topology.Store, p int32) error {
	phase, here := s.tasks[assign.Task{Sub: int32(store.Sub), Partition: p}]
	switch {
	case store.Global && s.loaded, here && phase == phaseRunning:
		return nil
	case store.Global:
		return fmt.Errorf("%w: global store %q: ask again, or take a snapshot with AllowStale", ErrRestoring, store.Name)
	case here:
		return fmt.Errorf("%w: store %q partition %d: ask again, or take a snapshot with AllowStale", ErrRestoring, store.Name, p)
	}
	return fmt.Errorf("%w: store %q partition %d: ask the process that runs it, or take a snapshot with AllowStale", ErrNotHere, store.Name, p)
}

// Position is how far the local engine's content of a store-partition follows its
// changelog: the offset after the last record that is in it, -1 when none is.
func (s *Snapshot) Position(store string, p int32) (offset int64, err error) {
	view, ok, err := s.db.View(s.snap, store, p)
	if err != nil || !ok {
		return -1, err
	}
	return view.Position().Offset, nil
}

// Partition gives the stores of one partition, for the In methods of store
// handles:
//
//	counts.In(snapshot.Partition(0)).Get("thalweg")
//
// Stores answer with an error that wraps ErrNotHere or ErrRestoring where this
// process does not run the partition.
func (s *Snapshot) Partition(p int32) state.Stores { return partitionStores{s, p} }

type partitionStores struct {
	*Snapshot
	partition int32
}

// Store implements state.Stores.
func (s partitionStores) Store(name string) any {
	declared, err := s.declared(name)
	if err != nil {
		return err
	}
	h, ok := declared.Handle.(state.Declared)
	if !ok {
		return fmt.Errorf("runtime: store %q: %T is not a handle of package state", name, declared.Handle)
	}
	if err := s.answers(declared, s.partition); err != nil && !s.stale {
		return err
	}
	view, ok, err := s.db.View(s.snap, name, s.partition)
	if err != nil {
		return err
	}
	if !ok {
		return fmt.Errorf("%w: store %q partition %d: the local engine has nothing of it", ErrNotHere, name, s.partition)
	}
	store, err := h.Open(readEnv(view))
	if err != nil {
		return err
	}
	return store
}

// Get looks a key of a table up in the committed state of this process. ok is
// false when there is no such row. Where that cannot be said, because not all
// partitions of the store are here and the row is in none of those that are, the
// error wraps ErrRestoring or ErrNotHere. Get may be called from any goroutine. For
// many look-ups, scans and other kinds of stores take a Snapshot.
func (a *App) Get[K, V any](h state.TimestampedHandle[K, V], key K) (v V, ok bool, err error) {
	s, err := a.Snapshot()
	if err != nil {
		return v, false, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	ps, err := s.Partitions(h.StoreName())
	if err != nil {
		return v, false, err
	}
	for _, p := range ps {
		if v, _, ok, err = h.In(s.Partition(p)).Get(key); ok || err != nil {
			return v, ok, err
		}
	}
	return v, false, s.missing(h.StoreName())
}

// missing reports that some partition of a store has no right answer here.
func (s *Snapshot) missing(store string) error {
	declared, err := s.declared(store)
	if err != nil || declared.Global {
		return err
	}
	plan := s.app.plan.Load()
	if plan == nil {
		return ErrNotRunning
	}
	for _, t := range plan.tasks {
		if int(t.Sub) == declared.Sub {
			if err := s.answers(declared, t.Partition); err != nil {
				return err
			}
		}
	}
	return nil
}
