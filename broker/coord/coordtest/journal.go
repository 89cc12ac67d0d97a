// Package coordtest has the in-memory twins of the interfaces coordinators
// need.
package coordtest

import (
	"context"
	"errors"
	"sync"

	"github.com/thalweg/thalweg/internal/batch"
)

// ErrInjected is the failure a Journal reports when it was told to fail.
var ErrInjected = errors.New("coordtest: injected failure")

// Journal is a coord.Journal in memory. It outlives the shards that use it.
type Journal struct {
	mu      sync.Mutex
	log     []byte
	next    int64
	appends int
	epoch   int32
	fail    int  // how many of the next appends fail
	keep    bool // failing appends are written all the same
}

// Append implements coord.Journal.
func (j *Journal) Append(ctx context.Context, batches []byte) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	failing := j.fail > 0
	if failing {
		j.fail--
		if !j.keep {
			return ErrInjected
		}
	}
	j.appends++
	at := len(j.log)
	j.log = append(j.log, batches...)
	for rest := j.log[at:]; len(rest) > 0; {
		v, r, err := batch.Parse(rest)
		if err != nil {
			j.log = j.log[:at]
			return err
		}
		v.SetBaseOffset(j.next)
		v.SetLeaderEpoch(j.epoch)
		if err := v.Validate(); err != nil {
			j.log = j.log[:at]
			return err
		}
		j.next = v.NextOffset()
		rest = r
	}
	if failing {
		return ErrInjected
	}
	return nil
}

// Load implements coord.Journal.
func (j *Journal) Load(ctx context.Context, fn func(batch.View) error) error {
	j.mu.Lock()
	log := j.log[:len(j.log):len(j.log)]
	j.mu.Unlock()
	for len(log) > 0 {
		v, rest, err := batch.Parse(log)
		if err != nil {
			return err
		}
		if err := fn(v); err != nil {
			return err
		}
		log = rest
	}
	return ctx.Err()
}

// LeaderEpoch implements coord.Journal.
func (j *Journal) LeaderEpoch() int32 {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.epoch
}

// SetLeaderEpoch changes the leader epoch of later batches.
func (j *Journal) SetLeaderEpoch(epoch int32) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.epoch = epoch
}

// FailNext makes the next n appends fail. With written set their batches are
// in the log all the same: only the answer is lost.
func (j *Journal) FailNext(n int, written bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.fail, j.keep = n, written
}

// Appends is the number of successful appends.
func (j *Journal) Appends() int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.appends
}
