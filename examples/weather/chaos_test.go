//go:build chaos

package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thalweg/thalweg/examples/weather/board"
	"github.com/thalweg/thalweg/examples/weather/expected"
	"github.com/thalweg/thalweg/internal/seeds"
)

// faults is how many processes are killed while a year is replayed.
const faults = 10

// chaos replays the year into a broker on disk while two workers process it, kills the broker or a worker with SIGKILL at
// ten moments that follow from the seed, and starts them again: with what they left on disk, or, one worker in three,
// without. It returns the brokers when every row is processed.
func chaos(t *testing.T, seed uint64, workerFlags ...string) (brokers []string) {
	t.Helper()
	random := rand.New(rand.NewPCG(seed, 0))

	dir := t.TempDir()
	brokers = []string{freeAddress(t)}
	server := startBroker(t, brokers[0], filepath.Join(dir, "broker"))
	producer := start(t, brokers, "produce", "--speed", "15s")
	state := func(i int) string { return filepath.Join(dir, strconv.Itoa(i)) }
	worker := func(i int) *process {
		return start(t, brokers, append([]string{"run", "--state", state(i)}, workerFlags...)...)
	}
	workers := []*process{worker(0), worker(1)}
	for range faults {
		time.Sleep(time.Duration(200+random.IntN(2000)) * time.Millisecond) // the fault's moment, not a wait for something
		if random.IntN(2) == 0 {
			t.Log("kill the broker")
			server.kill(t)
			server = startBroker(t, brokers[0], filepath.Join(dir, "broker"))
			continue
		}
		i, wipe := random.IntN(len(workers)), random.IntN(3) == 0
		t.Logf("kill worker %d, wipe its state: %v", i, wipe)
		workers[i].kill(t)
		if wipe {
			require.NoError(t, os.RemoveAll(state(i)))
		}
		workers[i] = worker(i)
	}
	producer.wait(t)
	return brokers
}

// kill ends a process as a power switch would.
func (p *process) kill(t *testing.T) {
	t.Helper()
	require.NoError(t, p.cmd.Process.Kill())
	_ = p.cmd.Wait() // reports the signal
}

// Nothing is lost and nothing counted twice: the hash is that of the undisturbed year.
func TestChaosExactlyOnce(t *testing.T) {
	for seed := range seeds.Upto(1) {
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			brokers := chaos(t, seed)
			require.Equal(t, summary(t), start(t, brokers, "watch", "--once").wait(t))
		})
	}
}

// At least once, rows that were in flight in a crash are counted again: no day may have fewer readings than there were,
// and any may have more. So this test cannot ask for the hash.
func TestChaosAtLeastOnce(t *testing.T) {
	want, err := expected.Year()
	require.NoError(t, err)
	for seed := range seeds.Upto(1) {
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			brokers := chaos(t, seed, "--at-least-once")
			start(t, brokers, "watch", "--once").wait(t)

			follower, err := board.Follow(context.Background(), brokers)
			require.NoError(t, err)
			defer follower.Close()
			b := board.New()
			require.NoError(t, follower.CatchUp(context.Background(), b))
			_, rejected := b.Reasons()
			require.Equal(t, want.Windows, b.Windows())
			require.GreaterOrEqual(t, int(b.Readings())+rejected, want.Rows)
			t.Logf("%d rows became %d", want.Rows, int(b.Readings())+rejected)
		})
	}
}
