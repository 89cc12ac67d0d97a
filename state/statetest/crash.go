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

const crashDir = "THALWEG_STATETEST_CRASH_DIR"

// Main runs the tests of a package that calls [Crash]: it is that package's
// TestMain. In the process Crash starts and kills, it commits until then.
func Main(m *testing.M, open func(dir string) state.Backend) {
	dir := os.Getenv(crashDir)
	if dir == "" {
		os.Exit(m.Run())
	}
	err := commitForever(open(dir), os.Stdout)
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

func crashRow(i int64) (key, value []byte) {
	key = binary.BigEndian.AppendUint64(nil, uint64(i%crashKeys))
	return key, bytes.Repeat(fmt.Appendf(nil, "%010d", i), 50)
}

// Crash kills a process in the middle of its commits, several times over, and
// finds each time that data and positions agree: the rows are those of the
// commits up to the stored position, and no others.
func Crash(t *testing.T, open func(dir string) state.Backend) {
	dir := t.TempDir()
	var kept int64 = -1
	for _, commits := range []int64{6000, 10, 6000} {
		last := killAfter(t, dir, commits)
		db, err := state.Open(open(dir), small)
		require.NoError(t, err)
		pos := checkCrashed(t, db)
		require.NoError(t, db.Close())
		require.GreaterOrEqual(t, pos, kept, "what had survived once is there")
		require.LessOrEqual(t, pos, last+1, "a commit can be done before it is printed, but only one")
		kept = pos
	}
	require.Positive(t, kept, "the engine flushes while it runs")
}

// killAfter starts the process, kills it when it has made a number of commits,
// and returns the last one it told of.
func killAfter(t *testing.T, dir string, commits int64) (last int64) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), crashDir+"="+dir)
	var complaints bytes.Buffer
	cmd.Stderr = &complaints
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	lines := bufio.NewReader(out)
	last = -1
	for n := int64(0); ; n++ {
		if n == commits {
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

// checkCrashed returns the position after a crash, if everything agrees with it.
func checkCrashed(t *testing.T, db *state.DB) int64 {
	txn := db.NewTxn()
	left, err := txn.Open("left", 0)
	require.NoError(t, err)
	right, err := txn.Open("right", 0)
	require.NoError(t, err)
	pos := left.Position().Offset
	require.Equal(t, pos, right.Position().Offset)
	for _, p := range []*state.Partition{left, right} {
		want := map[string]string{}
		for i := max(0, pos-crashKeys+1); i <= pos; i++ {
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
	}
	return pos
}
