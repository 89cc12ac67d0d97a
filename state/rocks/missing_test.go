//go:build !rocksdb

package rocks_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thalweg/thalweg/state"
	"github.com/thalweg/thalweg/state/rocks"
)

func TestOpenSaysWhatIsMissing(t *testing.T) {
	_, err := state.Open(rocks.Dir(t.TempDir()), state.Options{})
	require.ErrorContains(t, err, "librocksdb-dev")
	require.ErrorContains(t, err, "-tags rocksdb")
}
