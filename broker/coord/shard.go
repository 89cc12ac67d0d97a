package coord

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/thalweg/thalweg/internal/batch"
)

var (
	// ErrNotLeader reports that this broker does not lead the partition.
	// Clients look for the coordinator again (NOT_COORDINATOR).
	ErrNotLeader = errors.New("coord: not the coordinator of this partition")
	// ErrLoading reports that the journal is being replayed. Clients retry
	// (COORDINATOR_LOAD_IN_PROGRESS).
	ErrLoading = errors.New("coord: coordinator is loading its journal")
	// ErrLost reports that the journal failed while the request waited; its
	// records may or may not be committed (COORDINATOR_NOT_AVAILABLE).
	ErrLost = errors.New("coord: journal failed, outcome unknown")
)

// A shard whose journal failed waits before it replays, longer each time the
// replay itself fails, so that a dead disk is not hammered.
const (
	minReloadDelay = 100 * time.Millisecond
	maxReloadDelay = 5 * time.Second
)

// A Shard owns one machine and its journal. Its methods may be called from any
// goroutine.
type Shard[M Machine] struct {
	journal Journal
	fresh   func() M // returns an empty machine
	log     *slog.Logger
	stop    context.CancelFunc
	stopped chan struct{}

	mu     sync.Mutex
	queue  []func(M, *Step)
	status error         // nil: serving
	turn   chan struct{} // closed and replaced when status changes
	lost   chan struct{} // closed when the present machine is given up
	wake   chan struct{} // capacity 1
}

// StartShard replays the journal and serves until Close. fresh returns an
// empty machine; it is called again after each failure of the journal, which is
// logged.
func StartShard[M Machine](log *slog.Logger, journal Journal, fresh func() M) *Shard[M] {
	ctx, cancel := context.WithCancel(context.Background())
	s := &Shard[M]{
		journal: journal,
		fresh:   fresh,
		log:     log,
		stop:    cancel,
		stopped: make(chan struct{}),
		status:  ErrLoading,
		turn:    make(chan struct{}),
		lost:    make(chan struct{}),
		wake:    make(chan struct{}, 1),
	}
	go s.run(ctx)
	return s
}

// Close gives the shard up and waits for its goroutines. Requests that wait
// are answered with [ErrNotLeader].
func (s *Shard[M]) Close() {
	s.stop()
	<-s.stopped
}

// Submit runs step on the shard's goroutine without waiting. It reports
// ErrLoading or ErrNotLeader when the shard does not serve.
func (s *Shard[M]) Submit(step func(m M, s *Step)) error {
	_, err := s.submit(step)
	return err
}

func (s *Shard[M]) submit(step func(M, *Step)) (lost chan struct{}, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.status != nil {
		return nil, s.status
	}
	s.queue = append(s.queue, step)
	if len(s.queue) == 1 {
		select {
		case s.wake <- struct{}{}:
		default:
		}
	}
	return s.lost, nil
}

// Do runs a step that answers its promise, now or in a later step, and waits
// for the answer to be committed.
func (s *Shard[M]) Do[T any](ctx context.Context, step func(m M, s *Step, p *Promise[T])) (T, error) {
	p := NewPromise[T]()
	var zero T
	lost, err := s.submit(func(m M, st *Step) { step(m, st, p) })
	if err != nil {
		return zero, err
	}
	select {
	case <-p.Done():
		return p.value, nil
	case <-ctx.Done():
		return zero, context.Cause(ctx)
	case <-lost:
		// The answer may have been released just before.
		if v, ok := p.Value(); ok {
			return v, nil
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		if errors.Is(s.status, ErrNotLeader) {
			return zero, ErrNotLeader
		}
		return zero, ErrLost
	}
}

// Serving waits until the journal is replayed.
func (s *Shard[M]) Serving(ctx context.Context) error {
	for {
		s.mu.Lock()
		err, turn := s.status, s.turn
		s.mu.Unlock()
		if !errors.Is(err, ErrLoading) {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-turn:
		}
	}
}

func (s *Shard[M]) run(ctx context.Context) {
	defer close(s.stopped)
	for delay := minReloadDelay; ctx.Err() == nil; delay = min(2*delay, maxReloadDelay) {
		m, err := s.load(ctx)
		if err == nil {
			err = s.serve(ctx, m)
			delay = minReloadDelay
		}
		if ctx.Err() != nil {
			break
		}
		s.log.Error("coordinator journal failed, replaying it", "error", err)
		select {
		case <-ctx.Done():
		case <-time.After(delay):
		}
	}
	s.setStatus(ErrNotLeader)
	close(s.lost)
}

func (s *Shard[M]) load(ctx context.Context) (M, error) {
	m := s.fresh()
	var d batch.Decompressor
	err := s.journal.Load(ctx, func(v batch.View) error { return replay(m, &d, v) })
	return m, err
}

// serve runs the machine until the journal fails or ctx ends.
func (s *Shard[M]) serve(ctx context.Context, m M) error {
	var (
		next     Step // gathers for the next append
		inflight []Effect
		busy     bool
		appended = make(chan error, 1)
		builder  batch.Builder
		buf      []byte
		timer    = time.NewTimer(time.Hour)
	)
	defer timer.Stop()
	next.Now = time.Now()
	m.Loaded(&next)
	s.setStatus(nil)
	defer func() { s.giveUp(ctx) }()
	defer func() {
		if busy {
			<-appended
		}
	}()
	for {
		switch {
		case busy:
			// Effects gathered meanwhile wait for what they may have seen.
			if len(next.records) == 0 {
				inflight = append(inflight, next.effects...)
				next.effects = next.effects[:0]
			}
		case len(next.records) > 0:
			records, effects := next.Take()
			var err error
			if buf, err = encode(buf[:0], &builder, records, next.Now); err != nil {
				return err
			}
			inflight, busy = effects, true
			go func() { appended <- s.journal.Append(ctx, buf) }()
		default:
			commit(next.effects)
			next.effects = next.effects[:0]
		}
		if at, ok := m.Next(); ok {
			timer.Reset(time.Until(at))
		} else {
			timer.Stop()
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case err := <-appended:
			busy = false
			if err != nil {
				return err
			}
			commit(inflight)
			inflight = nil
		case <-timer.C:
			next.Now = time.Now()
			m.Tick(&next)
		case <-s.wake:
			next.Now = time.Now()
			for _, step := range s.take() {
				step(m, &next)
			}
		}
	}
}

func commit(effects []Effect) {
	for i, e := range effects {
		e.Commit()
		effects[i] = nil
	}
}

func (s *Shard[M]) take() []func(M, *Step) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q := s.queue
	s.queue = nil
	return q
}

func (s *Shard[M]) setStatus(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.status = err
	close(s.turn)
	s.turn = make(chan struct{})
}

// giveUp drops the queue and fails everyone who waits on the present machine.
func (s *Shard[M]) giveUp(ctx context.Context) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.status = ErrLoading
	if ctx.Err() != nil {
		s.status = ErrNotLeader
	}
	s.queue = nil
	close(s.lost)
	s.lost = make(chan struct{})
}
