package random

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thalweg/thalweg/internal/golden"
)

// TestRecorded replays runs of Kafka Streams: random ones, and the smallest ones
// in which a difference was once found.
func TestRecorded(t *testing.T) {
	files, err := filepath.Glob("testdata/*.jsonl*")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		cases, err := Load(file)
		require.NoError(t, err)
		for i, c := range cases {
			t.Run(fmt.Sprintf("%s/%d/%d", filepath.Base(file), i, c.Seed), func(t *testing.T) {
				topo, err := Build(c)
				require.NoError(t, err)
				got, err := golden.Replay(c.Case, topo)
				require.NoError(t, err)
				require.Empty(t, golden.Diff(c.Case, got))
			})
		}
	}
}

// TestGenerate makes programs that must all be well-formed: those that Kafka
// Streams takes can be built here.
func TestGenerate(t *testing.T) {
	for seed := range uint64(300) {
		c := Generate(seed)
		require.Equal(t, c, Generate(seed))
		_, err := Build(c)
		require.NoError(t, err, "seed %d", seed)
	}
}
