package golden

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func casesDir() string {
	if dir := os.Getenv("GOLDEN_CASES"); dir != "" {
		return dir
	}
	return "testdata/cases"
}

// TestGolden replays every recorded run.
func TestGolden(t *testing.T) {
	cases, err := Load(casesDir())
	require.NoError(t, err)
	for _, c := range cases {
		t.Run(fmt.Sprintf("%s/%d", c.ID, c.Seed), func(t *testing.T) {
			topo, err := Build(c.ID, c.Config)
			require.NoError(t, err)
			require.NotNil(t, topo, "no topology is called %q", c.ID)
			got, err := Replay(c, topo)
			require.NoError(t, err)
			compare(t, c, got)
		})
	}
}

func compare(t *testing.T, c Case, got *Result) {
	t.Helper()
	if c.Error != nil {
		require.Equal(t, c.Error.Step, got.Failed, "failing step (error: %v)", got.Err)
	} else {
		require.NoError(t, got.Err, "step %d", got.Failed)
	}
	if _, ours := c.Config["processing.exception.handler"]; !ours {
		maskMessages(c.Outputs)
		maskMessages(got.Outputs)
	}
	equalLines(t, "outputs", lines(c.Outputs), lines(got.Outputs))
	if c.Error == nil {
		require.Equal(t, c.Dropped, got.Dropped, "dropped records")
	}
}

// maskMessages hides the texts of errors that no topology of the suite made:
// those of serdes.
func maskMessages(list []Output) {
	for i := range list {
		for j := range list[i].Headers {
			if h := &list[i].Headers[j]; h.Name == "__streams.errors.message" {
				h.Value = nil
			}
		}
	}
}

func lines[T fmt.Stringer](list []T) []string {
	out := make([]string, len(list))
	for i, x := range list {
		out[i] = x.String()
	}
	return out
}

// TestShape compares the topologies with Kafka Streams' descriptions of them.
func TestShape(t *testing.T) {
	cases, err := Load(casesDir())
	require.NoError(t, err)
	for _, c := range cases {
		if c.Seed != 1 {
			continue
		}
		t.Run(c.ID, func(t *testing.T) {
			topo, err := Build(c.ID, c.Config)
			require.NoError(t, err)
			require.NotNil(t, topo, "no topology is called %q", c.ID)
			want, err := parseDescribe(c.Describe)
			require.NoError(t, err)
			names := given(want)
			equalLines(t, "shape", shape(want, names), shape(partsOf(topo), names))
		})
	}
}

// equalLines shows the first difference with its surroundings.
func equalLines(t *testing.T, what string, want, got []string) {
	t.Helper()
	for i := range max(len(want), len(got)) {
		w, g := "(nothing)", "(nothing)"
		if i < len(want) {
			w = want[i]
		}
		if i < len(got) {
			g = got[i]
		}
		if w != g {
			before := want[max(0, i-3):min(i, len(want))]
			t.Fatalf("%s: line %d of %d differs\n  %s\nwant:\n  %s\ngot:\n  %s", what, i, len(want), strings.Join(before, "\n  "), w, g)
		}
	}
}
