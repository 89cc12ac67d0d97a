package statetest

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thalweg/thalweg/state"
)

const (
	crashDir   = "THALWEG_STATETEST_CRASH_DIR"
	crashWrite = "THALWEG_STATETEST_CRASH_WRITE" // commits or ingests
)

// Main runs the tests of a package that calls [Crash]: it is that package's
// TestMain. In the process Crash starts and kills, it writes until then.
func Main(m *testing.M, open func(dir string) state.Backend) {
	dir := os.Getenv(crashDir)
	if dir == "" {
		os.Exit(m.Run())
	}
	write := commitForever
	if os.Getenv(crashWrite) == "ingests" {
		write = ingestForever
	}
	err := write(open(dir), os.Stdout)
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

const crashKeys = 97

// commitForever writes, as commit number i, the row i mod crashKeys, a second
// row that must always agree with it, and i as the position; then it prints i.
func commitForever(b state.Backend, out io.Writer) error {
	db, err := state.Open(b, small)
	if err != nil {
		return err
	}
	txn := db.NewTxn()
	left, err := txn.Open("left", 0)
	if err != nil {
		return err
	}
	right, err := txn.Open("right", 0)
	if err != nil {
		return err
	}
	for i := left.Position().Offset + 1; ; i++ {
		key, value := crashRow(i)
		for _, p := range []*state.Partition{left, right} {
			if err := p.Put(key, value); err != nil {
				return err
			}
			p.SetPosition(state.Position{Offset: i})
		}
		if err := txn.Commit(); err != nil {
			return err
		}
		if _, err := fmt.Fprintln(out, i); err != nil {
			return err
		}
	}
}

// ingestForever restores row after row into a store-partition, some thousand at a
// time, or a few, while another one commits; it prints how far it is.
func ingestForever(b state.Backend, out io.Writer) error {
	db, err := state.Open(b, small)
	if err != nil {
		return err
	}
	commits, restores := db.NewTxn(), db.NewTxn()
	left, err := commits.Open("left", 0)
	if err != nil {
		return err
	}
	right, err := restores.Open("right", 0)
	if err != nil {
		return err
	}
	l, r := left.Position().Offset+1, right.Position().Offset+1
	for n := 0; ; n++ {
		key, value := crashRow(l)
		if err := left.Put(key, value); err != nil {
			return err
		}
		left.SetPosition(state.Position{Offset: l})
		if err := commits.Commit(); err != nil {
			return err
		}
		l++
		rows := 4000
		if n%3 == 2 {
			rows = 10
		}
		for range rows {
			key, value := crashRow(r)
			if err := right.Load(key, value); err != nil {
				return err
			}
			right.SetPosition(state.Position{Offset: r})
			r++
		}
		if err := right.Ingest(); err != nil {
			return err
		}
		if _, err := fmt.Fprintln(out, r-1); err != nil {
			return err
		}
	}
}

func crashRow(i int64) (key, value []byte) {
	key = binary.BigEndian.AppendUint64(nil, uint64(i%crashKeys))
	return key, bytes.Repeat(fmt.Appendf(nil, "%010d", i), 50)
}

// Crash kills a process in the middle of its writes, several times over, and
// finds each time that data and positions agree: the rows are those written up
// to the stored position, and no others.
func Crash(t *testing.T, open func(dir string) state.Backend) {
	t.Run("commits", func(t *testing.T) {
		dir := t.TempDir()
		var kept int64 = -1
		for _, commits := range []int64{6000, 10, 6000} {
			last := killAfter(t, dir, "commits", commits)
			left, right := checkCrashed(t, open(dir))
			require.Equal(t, left, right, "written in one commit")
			require.GreaterOrEqual(t, left, kept, "what had survived once is there")
			require.LessOrEqual(t, left, last+1, "a commit can be done before it is printed, but only one")
			kept = left
		}
		require.Positive(t, kept, "the engine flushes while it runs")
	})
	t.Run("ingests", func(t *testing.T) {
		dir := t.TempDir()
		var kept int64 = -1
		for _, ingests := range []int64{7, 1, 12, 3} {
			last := killAfter(t, dir, "ingests", ingests)
			_, right := checkCrashed(t, open(dir))
			require.GreaterOrEqual(t, right, kept, "what had survived once is there")
			require.GreaterOrEqual(t, right, last-10, "what was ingested as files is there")
			kept = right
		}
	})
}

// killAfter starts the process, kills it when it has written a number of times,
// and returns the last one it told of.
func killAfter(t *testing.T, dir, write string, times int64) (last int64) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), crashDir+"="+dir, crashWrite+"="+write)
	var complaints bytes.Buffer
	cmd.Stderr = &complaints
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	lines := bufio.NewReader(out)
	last = -1
	for n := int64(0); ; n++ {
		if n == times {
			require.NoError(t, cmd.Process.Kill())
		}
		line, err := lines.ReadString('\n')
		if err != nil {
			break
		}
		last, err = strconv.ParseInt(strings.TrimSpace(line), 10, 64)
		require.NoError(t, err)
	}
	err = cmd.Wait()
	require.ErrorContains(t, err, "killed", complaints.String())
	return last
}

// checkCrashed returns the positions after a crash, if everything agrees with
// them.
func checkCrashed(t *testing.T, b state.Backend) (left, right int64) {
	db, err := state.Open(b, small)
	require.NoError(t, err)
	defer func() { require.NoError(t, db.Close()) }()
	return checkRows(t, db, "left"), checkRows(t, db, "right")
}

func checkRows(t *testing.T, db *state.DB, store string) (position int64) {
	txn := db.NewTxn()
	p, err := txn.Open(store, 0)
	require.NoError(t, err)
	position = p.Position().Offset
	want := map[string]string{}
	for i := max(0, position-crashKeys+1); i <= position; i++ {
		key, value := crashRow(i)
		want[string(key)] = string(value)
	}
	got := map[string]string{}
	it := p.Scan(nil, nil, false)
	for it.Next() {
		got[string(it.Key())] = string(it.Value())
	}
	require.NoError(t, it.Close())
	require.Equal(t, want, got)
	txn.Release(p)
	return position
}
