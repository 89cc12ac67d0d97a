//go:build chaos

package trial

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thalweg/thalweg/internal/seeds"
	"github.com/thalweg/thalweg/internal/trial/verify"
)

const (
	// perTopic is how many records of each topic a chapter has.
	perTopic = 150
	// pace is how long it takes to send them.
	pace = 8 * time.Second
	// patience is how long the application may take for all input, faults or not.
	patience = 4 * time.Minute
	// settling is how long it may take for the last results once nobody disturbs it any more.
	settling = 30 * time.Second
)

// combination is what the seed chooses from in turn, so that consecutive seeds see all of them.
var combinations = []struct{ atLeastOnce, protocol1, old, cached bool }{
	{false, false, true, true}, {false, true, false, false}, {true, false, true, false},
	{false, false, false, false}, {false, true, true, true}, {true, false, false, true},
	{false, false, true, false}, {false, true, false, true}, {true, false, true, true},
	{false, false, false, true}, {false, true, true, false}, {true, false, false, false},
}

// TestChaosTrial: whatever happens to its processes and its broker, the application's results are what its input amounts to.
func TestChaosTrial(t *testing.T) {
	for seed := range seeds.Upto(2) {
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) { trial(t, seed) })
	}
}

func trial(t *testing.T, seed uint64) {
	random := rand.New(rand.NewPCG(seed, 0))
	with := combinations[(seed-1)%uint64(len(combinations))]
	dir := keptDir(t, seed)

	address := freeAddress(t)
	s := settings{
		Brokers: []string{address}, Workers: 1 + random.IntN(3),
		AtLeastOnce: with.atLeastOnce, Protocol1: with.protocol1, Cached: with.cached,
	}
	static, processes := random.IntN(3) == 0, 2+random.IntN(2)
	t.Logf("at least once %v, protocol 1 %v, old times %v, cached %v, %d processes of %d workers, static members %v; logs in %s",
		with.atLeastOnce, with.protocol1, with.old, with.cached, processes, s.Workers, static, dir)

	m := &mischief{t: t, random: random, s: s, static: static, broker: newProcess(t, dir, "broker", "TRIAL_BROKER="+address)}
	send, err := newSender(s.Brokers, pace)
	require.NoError(t, err)
	t.Cleanup(send.close)
	ctx, cancel := context.WithTimeoutCause(t.Context(), patience, errors.New("no progress within "+patience.String()))
	defer cancel()
	require.NoError(t, send.createTopics(ctx))
	for i := range processes {
		w := s
		if static {
			w.Instance = fmt.Sprint("member-", i)
		}
		encoded, err := json.Marshal(w)
		require.NoError(t, err)
		m.workers = append(m.workers, newProcess(t, dir, fmt.Sprint("worker", i), "TRIAL_WORKER="+string(encoded)))
	}

	began := time.Now().Add(-3 * time.Hour)
	if with.old {
		began = time.Date(2013, 1, 1, 0, 0, 0, 0, time.UTC)
	}
	mischievous, calm := context.WithCancel(ctx)
	quiet := make(chan struct{})
	go func() {
		defer close(quiet)
		m.run(mischievous)
	}()
	g := newGenerator(seed, began, perTopic)
	for range chapters {
		if err = send.send(ctx, g.next()); err != nil {
			break
		}
	}
	calm()
	<-quiet
	if err != nil {
		t.Errorf("%v\nfaults:\n%s", err, strings.Join(m.log, "\n"))
		return
	}
	_, differences, err := verify.Await(t.Context(), s.Brokers, !s.AtLeastOnce, settling)
	require.NoError(t, err)
	if len(differences) > 0 {
		t.Errorf("%d differences\n%s\nfaults:\n%s", len(differences), verify.Report(differences), strings.Join(m.log, "\n"))
	}
	t.Logf("%d faults", len(m.log))
}

// keptDir is a directory that stays when the test fails, for what the processes said and have.
func keptDir(t *testing.T, seed uint64) string {
	t.Helper()
	dir, err := os.MkdirTemp("", fmt.Sprintf("trial-%d-", seed))
	require.NoError(t, err)
	t.Cleanup(func() {
		if !t.Failed() {
			os.RemoveAll(dir)
		}
	})
	return dir
}

// freeAddress is an address that a broker can come back to.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	return l.Addr().String()
}
