package golden

import (
	"cmp"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestMore replays the recordings of further compositions. They have the order
// of outputs within each topic only, and no stores.
func TestMore(t *testing.T) {
	cases, err := Load("testdata/more")
	require.NoError(t, err)
	byTopic := func(a, b Output) int {
		return cmp.Or(cmp.Compare(a.Step, b.Step), cmp.Compare(a.Topic, b.Topic))
	}
	for _, c := range cases {
		t.Run(c.ID, func(t *testing.T) {
			topo, err := Build(c.ID, c.Config)
			require.NoError(t, err)
			require.NotNil(t, topo, "no topology is called %q", c.ID)
			got, err := Replay(c, topo)
			require.NoError(t, err)
			require.NoError(t, got.Err, "step %d", got.Failed)
			slices.SortStableFunc(c.Outputs, byTopic)
			slices.SortStableFunc(got.Outputs, byTopic)
			equalLines(t, "outputs", lines(c.Outputs), lines(got.Outputs))
			require.Equal(t, c.Dropped, got.Dropped, "dropped records")
		})
	}
}
