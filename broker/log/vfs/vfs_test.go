package vfs

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// One suite for all implementations: they must agree on what programs see.
func TestFS(t *testing.T) {
	implementations := map[string]func(t *testing.T) (FS, string){
		"os":    func(t *testing.T) (FS, string) { return OS(), t.TempDir() },
		"mem":   func(t *testing.T) (FS, string) { return NewMem(), "/dir" },
		"fault": func(t *testing.T) (FS, string) { return NewFault(), "/dir" },
	}
	for name, open := range implementations {
		t.Run(name, func(t *testing.T) {
			fsys, dir := open(t)
			dir = filepath.Join(dir, "sub")
			require.NoError(t, fsys.MkdirAll(dir))
			a, b := filepath.Join(dir, "a"), filepath.Join(dir, "b")
			_, err := fsys.Open(a, 0)
			require.ErrorIs(t, err, fs.ErrNotExist)
			f, err := fsys.Open(a, os.O_CREATE)
			require.NoError(t, err)

			data := bytes.Repeat([]byte("0123456789"), 10_000)
			n, err := f.WriteAt(data, 5)
			require.NoError(t, err)
			require.Equal(t, len(data), n)
			size, err := f.Size()
			require.NoError(t, err)
			require.EqualValues(t, 5+len(data), size)
			got := make([]byte, 20)
			n, err = f.ReadAt(got, size-10)
			require.Equal(t, 10, n)
			require.ErrorIs(t, err, io.EOF)
			require.Equal(t, []byte("0123456789"), got[:10])

			require.NoError(t, f.Truncate(7))
			require.NoError(t, f.Truncate(12)) // what was cut reads as zeros
			n, err = f.ReadAt(got[:12], 0)
			require.True(t, n == 12 && (err == nil || errors.Is(err, io.EOF)))
			require.Equal(t, append(append(make([]byte, 5), '0', '1'), make([]byte, 5)...), got[:12])
			require.NoError(t, f.Sync())

			require.NoError(t, fsys.Rename(a, b))
			names, err := fsys.List(dir)
			require.NoError(t, err)
			require.Equal(t, []string{"b"}, names)
			require.NoError(t, WriteFile(fsys, a, []byte("one"), true))
			require.NoError(t, WriteFile(fsys, a, []byte("two"), false))
			whole, err := ReadFile(fsys, a, 100)
			require.NoError(t, err)
			require.Equal(t, "two", string(whole))
			_, err = ReadFile(fsys, a, 2)
			require.Error(t, err)
			require.NoError(t, fsys.SyncDir(dir))
			require.NoError(t, fsys.Remove(b))
			require.ErrorIs(t, fsys.Remove(b), fs.ErrNotExist)
			_, err = f.ReadAt(got[:5], 0) // an open handle outlives the name
			require.NoError(t, err)
			require.NoError(t, f.Close())
			require.NoError(t, fsys.RemoveAll(dir))
			_, err = fsys.Open(a, 0)
			require.ErrorIs(t, err, fs.ErrNotExist)
			require.Equal(t, fsys.Incarnation(), fsys.Incarnation())
		})
	}
}

func TestFaultCrashKeepsSynced(t *testing.T) {
	for seed := range uint64(50) {
		r := rand.New(rand.NewPCG(seed, 1))
		fsys := NewFault()
		f, err := fsys.Open("/d/a", os.O_CREATE)
		require.NoError(t, err)
		synced := bytes.Repeat([]byte{1}, 3000)
		_, err = f.WriteAt(synced, 0)
		require.NoError(t, err)
		require.NoError(t, f.Sync())
		require.NoError(t, fsys.SyncDir("/d"))
		_, err = f.WriteAt(bytes.Repeat([]byte{2}, 3000), 3000)
		require.NoError(t, err)
		g, err := fsys.Open("/d/b", os.O_CREATE)
		require.NoError(t, err)
		require.NoError(t, g.Sync()) // its bytes, not its name
		before := fsys.Incarnation()

		fsys.Crash(r)
		require.NotEqual(t, before, fsys.Incarnation())
		_, err = f.WriteAt([]byte{3}, 0)
		require.ErrorIs(t, err, ErrCrashed)
		got, err := ReadFile(fsys, "/d/a", 1<<20)
		require.NoError(t, err)
		require.GreaterOrEqual(t, len(got), 3000)
		require.Equal(t, synced, got[:3000])
		for _, c := range got[3000:] {
			require.Contains(t, []byte{0, 2}, c)
		}
	}
}

func TestFaultInjects(t *testing.T) {
	fsys := NewFault()
	f, err := fsys.Open("/d/a", os.O_CREATE)
	require.NoError(t, err)
	fsys.Inject(func(op Op) (int, error) {
		if op.Kind == "write" {
			return 2, syscall.ENOSPC
		}
		return 0, nil
	})
	n, err := f.WriteAt([]byte("12345"), 0)
	require.Equal(t, 2, n)
	require.ErrorIs(t, err, syscall.ENOSPC)
	fsys.Inject(nil)
	got, err := ReadFile(fsys, "/d/a", 10)
	require.NoError(t, err)
	require.Equal(t, "12", string(got))
}
