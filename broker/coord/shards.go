package coord

import (
	"cmp"
	"context"
	"log/slog"
	"maps"
	"slices"
	"sync"
)

// Shards are the shards of one coordinator on this broker, by partition of the
// internal topic. The zero value has none.
type Shards[M Machine] struct {
	mu     sync.RWMutex
	shards map[int32]*Shard[M]
	closed bool
}

// Lead starts a shard; a shard that is already there is closed first. After
// Close it does nothing: a topic may come into being while the broker stops.
func (s *Shards[M]) Lead(log *slog.Logger, partition int32, journal Journal, fresh func() M) {
	s.Resign(partition)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	if s.shards == nil {
		s.shards = make(map[int32]*Shard[M])
	}
	s.shards[partition] = StartShard(log.With("partition", partition), journal, fresh)
}

// Resign closes the shard of a partition, if there is one.
func (s *Shards[M]) Resign(partition int32) {
	s.mu.Lock()
	shard := s.shards[partition]
	delete(s.shards, partition)
	s.mu.Unlock()
	if shard != nil {
		shard.Close()
	}
}

// Get returns the shard of a partition or [ErrNotLeader].
func (s *Shards[M]) Get(partition int32) (*Shard[M], error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if shard := s.shards[partition]; shard != nil {
		return shard, nil
	}
	return nil, ErrNotLeader
}

// All returns the partitions led here, in order.
func (s *Shards[M]) All() []int32 {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return slices.SortedFunc(maps.Keys(s.shards), cmp.Compare)
}

// Serving waits until every shard has replayed its journal.
func (s *Shards[M]) Serving(ctx context.Context) error {
	for _, p := range s.All() {
		shard, err := s.Get(p)
		if err == nil {
			err = shard.Serving(ctx)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Close closes all shards, for good.
func (s *Shards[M]) Close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	for _, p := range s.All() {
		s.Resign(p)
	}
}
