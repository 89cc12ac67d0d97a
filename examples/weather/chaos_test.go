//go:build chaos

package main

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Workers are killed with SIGKILL while the year is replayed, again and again, and started again with the state they left
// behind, or without. Nothing is lost and nothing counted twice: the hash is that of the undisturbed year.
func TestChaosWeather(t *testing.T) {
	seed, _ := strconv.ParseUint(os.Getenv("THALWEG_SEED"), 10, 64)
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("THALWEG_SEED=%d", seed)
	random := rand.New(rand.NewPCG(seed, 0))

	brokers, dir := embedded(t), t.TempDir()
	producer := start(t, brokers, "produce", "--speed", "20s")
	state := func(i int) string { return filepath.Join(dir, strconv.Itoa(i)) }
	workers := []*process{start(t, brokers, "run", "--state", state(0)), start(t, brokers, "run", "--state", state(1))}
	for range 8 {
		time.Sleep(time.Duration(500+random.IntN(2500)) * time.Millisecond) // the fault's moment, not a wait for something
		i := random.IntN(len(workers))
		require.NoError(t, workers[i].cmd.Process.Kill())
		_ = workers[i].cmd.Wait()
		if random.IntN(3) == 0 {
			require.NoError(t, os.RemoveAll(state(i)))
		}
		workers[i] = start(t, brokers, "run", "--state", state(i))
	}
	producer.wait(t)
	require.Equal(t, summary(t), start(t, brokers, "watch", "--once").wait(t))
}
