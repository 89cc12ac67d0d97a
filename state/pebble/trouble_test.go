package pebble

import (
	"encoding/binary"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/stretchr/testify/require"

	"github.com/thalweg/thalweg/state"
)

// On a full disk, writes fail when memory is full, and Close does not wait for room. What was there before is there
// again when there is room.
func TestFullDisk(t *testing.T) {
	t.Run("small batches", func(t *testing.T) { testFullDisk(t, 1000) })
	t.Run("batches that fill all memtables", func(t *testing.T) { testFullDisk(t, 800<<10) })
}

func testFullDisk(t *testing.T, size int) {
	var full atomic.Bool
	disk := errorfs.Wrap(vfs.Default, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if full.Load() && strings.HasSuffix(op.Path, ".sst") && op.Kind.ReadOrWrite() == errorfs.OpIsWrite {
			return syscall.ENOSPC
		}
		return nil
	}))
	b := backend{path: t.TempDir(), fs: disk}
	open := func() state.Engine {
		e, err := b.Open(state.Options{Memory: 1 << 20})
		require.NoError(t, err)
		return e
	}
	row := func(i int) state.Batch {
		var rows state.Batch
		rows.Put(binary.BigEndian.AppendUint32(nil, uint32(i)), make([]byte, size))
		return rows
	}
	e := open()
	first := row(0)
	require.NoError(t, e.Apply(&first))
	require.NoError(t, e.Close())

	full.Store(true)
	e = open()
	var err error
	for i := 1; err == nil && i < 1_000_000; i++ {
		next := row(i)
		err = e.Apply(&next)
	}
	require.ErrorIs(t, err, syscall.ENOSPC)
	require.ErrorIs(t, e.Ingest(func(put func(state.Op, []byte, []byte)) { put(state.OpPut, []byte("k"), nil) }), syscall.ENOSPC)
	require.ErrorIs(t, e.Close(), syscall.ENOSPC)

	full.Store(false)
	e = open()
	_, ok, err := e.Get(nil, []byte{0, 0, 0, 0})
	require.NoError(t, err)
	require.True(t, ok)
	require.NoError(t, e.Close())

	e = open()
	next := row(1)
	require.NoError(t, e.Apply(&next))
	full.Store(true)
	require.ErrorIs(t, e.Close(), syscall.ENOSPC, "what only memory holds")
}
