//go:build rocksdb && linux

package rocks_test

import (
	"bytes"
	"encoding/binary"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thalweg/thalweg/state"
	"github.com/thalweg/thalweg/state/rocks"
)

// resident returns the memory of this process that is in RAM, in bytes.
func resident(t *testing.T) int64 {
	b, err := os.ReadFile("/proc/self/statm")
	require.NoError(t, err)
	var pages int64
	for _, c := range bytes.Fields(b)[1] {
		pages = pages*10 + int64(c-'0')
	}
	return pages * int64(os.Getpagesize())
}

// All store-partitions of a process share one memtable and one block cache, so
// that their number does not multiply the memory.
func TestFiveHundredStorePartitionsStayWithinTheMemory(t *testing.T) {
	const partitions, memory, rows = 500, 32 << 20, 400_000
	dir := t.TempDir()
	open := func() *state.DB {
		db, err := state.Open(rocks.Dir(dir), state.Options{Memory: memory})
		require.NoError(t, err)
		return db
	}
	db := open()
	before := resident(t)
	txn := db.NewTxn()
	parts := make([]*state.Partition, partitions)
	for i := range parts {
		var err error
		parts[i], err = txn.Open("store", int32(i))
		require.NoError(t, err)
	}
	value := bytes.Repeat([]byte("v"), 200)
	var key [8]byte
	var written int64
	for i := range uint64(rows) {
		// Skewed: half of the writes go to one partition.
		p := parts[0]
		if i%2 == 1 {
			p = parts[i*7919%partitions]
		}
		binary.BigEndian.PutUint64(key[:], i*2654435761)
		require.NoError(t, p.Put(key[:], value))
		written += int64(len(key) + len(value))
		if i%2000 == 1999 {
			p.SetPosition(state.Position{Offset: int64(i)})
			require.NoError(t, txn.Commit())
		}
	}
	require.Greater(t, written, int64(2*memory), "more than fits")
	require.Less(t, resident(t)-before, int64(3*memory))
	require.NoError(t, db.Close())

	db = open()
	defer func() { require.NoError(t, db.Close()) }()
	infos, err := db.Partitions()
	require.NoError(t, err)
	require.Len(t, infos, partitions)
}

func BenchmarkGetFromRocksDB(b *testing.B) {
	db, err := state.Open(rocks.Dir(b.TempDir()), state.Options{})
	require.NoError(b, err)
	defer db.Close()
	txn := db.NewTxn()
	p, err := txn.Open("store", 0)
	require.NoError(b, err)
	var key [8]byte
	for i := range uint64(100_000) {
		binary.BigEndian.PutUint64(key[:], i)
		require.NoError(b, p.Put(key[:], key[:]))
	}
	require.NoError(b, txn.Commit())
	i := uint64(0)
	b.ReportAllocs()
	for b.Loop() {
		binary.BigEndian.PutUint64(key[:], i*7919%100_000)
		if _, ok, err := p.Get(key[:]); !ok || err != nil {
			b.Fatal(ok, err)
		}
		i++
	}
}
