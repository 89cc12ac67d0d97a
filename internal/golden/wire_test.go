package golden

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestWire compares the bytes in internal topics over the first 40 steps of a
// case.
func TestWire(t *testing.T) {
	files, err := filepath.Glob("testdata/wire/*.json")
	require.NoError(t, err)
	cases, err := Load("testdata/cases")
	require.NoError(t, err)
	for _, file := range files {
		id := strings.TrimSuffix(filepath.Base(file), ".json")
		t.Run(id, func(t *testing.T) {
			var recorded struct {
				Records []WireRecord `json:"records"`
			}
			b, err := os.ReadFile(file)
			require.NoError(t, err)
			require.NoError(t, json.Unmarshal(b, &recorded))
			c := cases[slices.IndexFunc(cases, func(c Case) bool { return c.ID == id && c.Seed == 1 })]
			topo, err := Build(c.ID, c.Config)
			require.NoError(t, err)
			require.NotNil(t, topo, "no topology is called %q", id)
			c.Steps = c.Steps[:min(40, len(c.Steps))]
			got, err := Replay(c, topo)
			require.NoError(t, err)
			require.Empty(t, diffWire(recorded.Records, got.Internal))
		})
	}
}
