package expected

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestYear(t *testing.T) {
	got, err := Year()
	require.NoError(t, err)
	require.Equal(t, 26115, got.Rows)
	require.Equal(t, map[string]int{"no-temperature": 1, "no-wind": 4, "impossible-wind": 1}, got.Reasons)
	require.Equal(t, 1092, got.Windows)
	require.Equal(t, "02038cd27c90a15946fc7815c1bb893a77ee6306b6f2e2628cd217cbe5281065", got.Hash)
}
