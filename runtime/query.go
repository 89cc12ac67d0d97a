package runtime

import (
	"errors"
	"fmt"
	"slices"

	"github.com/thalweg/thalweg/state"
)

// ErrNotRunning is returned by queries before Run opened the stores and after
// it closed them.
var ErrNotRunning = errors.New("runtime: the application is not running")

// Snapshot is the committed state of this process at one instant: whole
// transactions, of all stores. Other processes hold other partitions. It may be
// used by one goroutine, any one, and has to be closed before Run returns.
type Snapshot struct {
	app  *App
	db   *state.DB
	snap state.Snapshot
}

// Snapshot takes a snapshot of all stores of this process. It may be called
// from any goroutine.
func (a *App) Snapshot() (*Snapshot, error) {
	a.dbMu.Lock()
	defer a.dbMu.Unlock()
	if a.db == nil {
		return nil, ErrNotRunning
	}
	a.readers.Add(1)
	return &Snapshot{app: a, db: a.db, snap: a.db.Snapshot()}, nil
}

// Close releases the snapshot.
func (s *Snapshot) Close() error {
	defer s.app.readers.Done()
	return s.snap.Close()
}

// Partitions are the partitions of a store that this process runs now, sorted.
// A global store has partition 0.
func (s *Snapshot) Partitions(store string) ([]int32, error) {
	declared, ok := s.app.topology.Store(store)
	if !ok {
		return nil, fmt.Errorf("runtime: the topology has no store %q", store)
	}
	if declared.Global {
		return []int32{0}, nil
	}
	var ps []int32
	for _, t := range s.app.Metrics().Tasks {
		var sub, partition int32
		if _, err := fmt.Sscanf(t.Task, "%d_%d", &sub, &partition); err == nil && t.Running && int(sub) == declared.Sub {
			ps = append(ps, partition)
		}
	}
	slices.Sort(ps)
	return ps, nil
}

// Partition gives the stores of one partition, for the In methods of store
// handles:
//
//	counts.In(snapshot.Partition(0)).Get("thalweg")
func (s *Snapshot) Partition(p int32) state.Stores { return partitionStores{s, p} }

type partitionStores struct {
	*Snapshot
	partition int32
}

// Store implements state.Stores.
func (s partitionStores) Store(name string) any {
	declared, ok := s.app.topology.Store(name)
	if !ok {
		return fmt.Errorf("runtime: the topology has no store %q", name)
	}
	h, ok := declared.Handle.(state.Declared)
	if !ok {
		return fmt.Errorf("runtime: store %q: %T is not a handle of package state", name, declared.Handle)
	}
	view, ok, err := s.db.View(s.snap, name, s.partition)
	if err != nil {
		return err
	}
	if !ok {
		return fmt.Errorf("runtime: partition %d of store %q is not in this process", s.partition, name)
	}
	store, err := h.Open(readEnv(view))
	if err != nil {
		return err
	}
	return store
}

// Get looks a key of a table up in the committed state of this process. ok is
// false when the partitions here do not hold it; other processes may. It may be
// called from any goroutine. For many look-ups, scans and other kinds of stores
// take a Snapshot.
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
	return v, false, nil
}
