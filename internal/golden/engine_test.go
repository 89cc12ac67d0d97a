package golden

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thalweg/thalweg/state/pebble"
	"github.com/thalweg/thalweg/testdriver"
)

// TestEngines replays one run of each topology with the state on disk.
func TestEngines(t *testing.T) {
	cases, err := Load(casesDir())
	require.NoError(t, err)
	seen := map[string]int{}
	for _, c := range cases {
		if seen[c.ID]++; seen[c.ID] != 2 { // not the runs of TestShape
			continue
		}
		t.Run(c.ID, func(t *testing.T) {
			t.Parallel()
			topo, err := Build(c.ID, c.Config)
			require.NoError(t, err)
			require.NotNil(t, topo, "no topology is called %q", c.ID)
			got, err := Replay(c, topo, testdriver.Engine(pebble.Dir(t.TempDir())))
			require.NoError(t, err)
			compare(t, c, got)
		})
	}
}
