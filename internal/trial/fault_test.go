//go:build chaos

package trial

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"
)

// mischief does faults to the processes of a trial, one after another, as the seed says, until it is told to stop. Then
// all of them run again.
type mischief struct {
	t       *testing.T
	random  *rand.Rand
	s       settings
	static  bool // the workers are static members
	broker  *process
	workers []*process

	log    []string       // what was done and when
	frozen sync.WaitGroup // of workers that will go on
}

func (m *mischief) note(format string, args ...any) {
	m.log = append(m.log, time.Now().UTC().Format("15:04:05.000 ")+fmt.Sprintf(format, args...))
}

// run does faults until ctx is done: a few in a row, then none for as long as the group needs to see who is left.
func (m *mischief) run(ctx context.Context) {
	defer m.frozen.Wait()
	for {
		for range 1 + m.random.IntN(3) {
			if !sleep(ctx, m.between(300, 1500)) {
				return
			}
			m.one(ctx)
		}
		calm := m.between(1000, 3000)
		if !m.static {
			calm += sessionTimeout
		}
		if !sleep(ctx, calm) {
			return
		}
	}
}

// one does one fault.
func (m *mischief) one(ctx context.Context) {
	i := m.random.IntN(len(m.workers))
	switch n := m.random.IntN(20); {
	case n < 6:
		m.restart(ctx, fmt.Sprintf("kill worker %d", i), m.workers[i], syscall.SIGKILL, false)
	case n < 9:
		m.restart(ctx, fmt.Sprintf("kill worker %d and delete its state", i), m.workers[i], syscall.SIGKILL, true)
	case n < 11:
		m.restart(ctx, fmt.Sprintf("stop worker %d", i), m.workers[i], syscall.SIGTERM, false)
	case n < 12:
		m.restart(ctx, fmt.Sprintf("stop worker %d and delete its state", i), m.workers[i], syscall.SIGTERM, true)
	case n < 14:
		m.freeze(ctx, i)
	case n < 15:
		m.restart(ctx, "kill the broker", m.broker, syscall.SIGKILL, false)
	case n < 16:
		m.restart(ctx, "stop the broker", m.broker, syscall.SIGTERM, false)
	default:
		m.note("user code of worker %d fails", i)
		m.workers[i].fail()
	}
}

func (m *mischief) between(low, high int) time.Duration {
	return time.Duration(low+m.random.IntN(high-low)) * time.Millisecond
}

// sleep reports whether the time was over before ctx was.
func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

// restart ends a process and starts it again after a while.
func (m *mischief) restart(ctx context.Context, what string, p *process, by syscall.Signal, wipe bool) {
	down := m.between(0, 1500)
	m.note("%s, for %v", what, down)
	p.end(by)
	if wipe {
		if err := os.RemoveAll(p.dir); err != nil {
			m.t.Error(err)
		}
	}
	sleep(ctx, down)
	p.start()
	if p != m.broker && m.random.IntN(3) == 0 {
		m.note("user code fails as soon as it runs again")
		p.fail()
	}
}

// freeze stops a worker as a long pause of its machine does, while other faults go on. Exactly once it is for longer than the
// session, so that others have its tasks when it goes on. At least once what it then writes is not fenced, as in Kafka, so
// it is shorter.
func (m *mischief) freeze(ctx context.Context, i int) {
	d := m.between(7000, 9000)
	if m.s.AtLeastOnce {
		d = m.between(500, 3000)
	}
	m.note("freeze worker %d for %v", i, d)
	m.workers[i].signal(syscall.SIGSTOP)
	m.frozen.Go(func() {
		sleep(ctx, d)
		m.workers[i].signal(syscall.SIGCONT)
	})
}

// light has one of the next calls of user code fail.
func (f *fuse) light() { f.calls.Store(1 + rand.Int64N(50)) }
