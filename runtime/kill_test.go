package runtime

import (
	"bufio"
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/thalweg/thalweg/dsl"
	"github.com/thalweg/thalweg/state/pebble"
)

// The environment of a child process: the test binary, started again as an
// application.
const (
	childBrokers = "THALWEG_TEST_CHILD_BROKERS"
	childDir     = "THALWEG_TEST_CHILD_DIR"
	// childProtocol1 has it speak the transactions of version 1.
	childProtocol1 = "THALWEG_TEST_CHILD_PROTOCOL1"
)

// child runs the counting application until SIGTERM.
func child() int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	b := dsl.NewBuilder()
	b.Stream(linesTopic).FlatMapValues(strings.FieldsSeq).GroupBy(dsl.Value).Count("counts").ToStream().To(countsTopic)
	topo, err := b.Build()
	if err == nil {
		var app *App
		app, err = New(topo, Config{
			ApplicationID: "app", Brokers: strings.Split(os.Getenv(childBrokers), ","), InstanceID: "one",
			State: pebble.Dir(os.Getenv(childDir)), StateMemory: 16 << 20, Workers: 2, CommitInterval: 10 * time.Millisecond,
			OnState: func(_, to State) { fmt.Println(to) },
		})
		if err == nil {
			app.protocol1 = os.Getenv(childProtocol1) != ""
			err = app.Run(ctx)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// startChild starts a child process.
func (r *rig) startChild(dir string) (cmd *exec.Cmd, states *bufio.Scanner) {
	r.t.Helper()
	exe, err := os.Executable()
	require.NoError(r.t, err)
	cmd = exec.Command(exe)
	cmd.Env = append(os.Environ(), childBrokers+"="+strings.Join(r.addrs, ","), childDir+"="+dir)
	if r.protocol1 {
		cmd.Env = append(cmd.Env, childProtocol1+"=1")
	}
	if os.Getenv("THALWEG_LOG") != "" {
		cmd.Stderr = os.Stderr
	}
	out, err := cmd.StdoutPipe()
	require.NoError(r.t, err)
	require.NoError(r.t, cmd.Start())
	return cmd, bufio.NewScanner(out)
}

// TestKill kills whole processes with SIGKILL, with their state on disk, and
// checks outputs and stores against the truth, in both transaction protocols.
func TestKill(t *testing.T) {
	for seed := range uint64(2) {
		t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 4))
			r := newRig(t, map[string]int32{"lines": 2, "counts": 1})
			r.protocol1 = seed%2 == 1
			want, wait := feed(r, seed, 3000, 2)
			dir := t.TempDir()
			for range 4 {
				cmd, _ := r.startChild(dir)
				time.Sleep(time.Duration(100+rng.IntN(500)) * time.Millisecond)
				require.NoError(t, cmd.Process.Kill())
				cmd.Wait() // it reports the signal
			}
			wait()
			cmd, states := r.startChild(dir)
			for states.Scan() && states.Text() != Running.String() {
			}
			got := r.committed("counts", 0, func(rs []*kgo.Record) bool { return maps.Equal(last(rs), want) })
			require.Equal(t, want, chain(t, got))
			require.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
			require.NoError(t, cmd.Wait())
			require.Equal(t, want, stored(t, pebble.Dir(dir)))
		})
	}
}
