package broker

import (
	"context"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Many requests that need more than there is, in steps, all get through, and what
// is held is never more than the limit and one request.
func TestMemoryIsSharedWithoutDeadlock(t *testing.T) {
	const limit, largest = 1000, 400
	m := &memory{relieve: func() {}, every: time.Second, limit: limit, lends: true}
	var wg sync.WaitGroup
	for i := range uint64(50) {
		wg.Go(func() {
			random := rand.New(rand.NewPCG(i, 1))
			for range 200 {
				var s share
				for need := 1 + random.Int64N(largest); need > 0; {
					step := 1 + random.Int64N(need)
					if err := m.take(t.Context(), &s, step, need); err != nil {
						t.Error(err)
						return
					}
					need -= step
				}
				m.mu.Lock()
				if m.used > limit+largest {
					t.Errorf("%d bytes are held", m.used)
				}
				m.mu.Unlock()
				m.release(&s)
			}
		})
	}
	wg.Wait()
	require.Zero(t, m.used)
	require.False(t, m.borrowed)
	require.Zero(t, m.waiting.Len())
}

// Who gives up waiting leaves nothing behind, and what could not be had for the
// first who waits goes to the next.
func TestMemoryWaitEndsWithItsContext(t *testing.T) {
	m := &memory{relieve: func() {}, every: time.Hour, limit: 10}
	var held, second share
	require.NoError(t, m.take(t.Context(), &held, 10, 10))
	require.False(t, m.tryTake(&second, 1))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, m.take(ctx, &second, 5, 5), context.Canceled)
	require.Zero(t, second)
	m.release(&held)
	require.NoError(t, m.take(t.Context(), &second, 10, 10))
	m.release(&second)
	require.Zero(t, m.used)
}
