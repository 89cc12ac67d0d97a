package testdriver

import (
	"github.com/thalweg/thalweg/state"
)

// Opener is what a store handle of package state is: the declaration of a
// store that opens as an S.
type Opener[S any] interface {
	state.Declared
	In(state.Stores) S
}

// Store returns the open store of a handle. Of several partitions it is the
// first one's; see StoreIn.
func (d *Driver) Store[S any](h Opener[S]) S {
	d.tb.Helper()
	return d.StoreIn(0, h)
}

// StoreIn returns the open store of a handle in one partition. What a test
// writes to it is seen by the topology.
func (d *Driver) StoreIn[S any](partition int32, h Opener[S]) S {
	d.tb.Helper()
	s := storesOf{d, partition}
	if s.Store(h.StoreName()) == nil {
		d.tb.Fatalf("testdriver: the topology has no store %q in partition %d", h.StoreName(), partition)
	}
	return h.In(s)
}

// storesOf finds the stores of one partition.
type storesOf struct {
	d         *Driver
	partition int32
}

func (s storesOf) Store(name string) any {
	if st, ok := s.d.Stores(s.partition)[name]; ok {
		return st
	}
	return nil
}

// Stores returns all open stores of a partition by name, those of global
// tables included.
func (d *Driver) Stores(partition int32) map[string]state.Store {
	m := map[string]state.Store{}
	for _, u := range d.units() {
		if u.task == nil || u != d.global && u.partition != partition {
			continue
		}
		for _, s := range u.task.Stores() {
			m[s.Declared.Name] = s.Store
		}
	}
	return m
}
