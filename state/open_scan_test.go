package state_test

import (
	"iter"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thalweg/thalweg/serde"
	"github.com/thalweg/thalweg/state"
)

// A scan that is left open, as only iter.Pull can, is told of at the commit, by
// the name of the store; after it is stopped the commit goes through.
func TestOpenScans(t *testing.T) {
	txn, p := openPartition(t, openDB(t), "kv", 2)
	s := state.KeyValue("kv", serde.String, serde.String).OpenKV((&task{}).env(p, nil))
	require.NoError(t, s.Put("a", "1"))
	require.NoError(t, s.Put("b", "2"))
	next, stop := iter.Pull2(s.All())
	_, err, ok := next()
	require.True(t, ok)
	require.NoError(t, err)
	require.ErrorContains(t, txn.Commit(), `store "kv" partition 2: commit: 1 scans are open`)
	stop()
	require.NoError(t, txn.Commit())
	for range s.All() {
		break // closes itself
	}
	require.NoError(t, txn.Commit())
}
