package golden

import (
	"fmt"
	"os"
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
	replayAll(t, cases)
}

// TestFresh replays recordings of input that was drawn from that of the others,
// and varied more; see the targets in the Makefile.
func TestFresh(t *testing.T) {
	cases, err := LoadBundle("testdata/fresh.json.gz")
	require.NoError(t, err)
	replayAll(t, cases)
}

func replayAll(t *testing.T, cases []Case) {
	t.Helper()
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

// TestShape compares the topologies with Kafka Streams' descriptions of them.
func TestShape(t *testing.T) {
	cases, err := Load(casesDir())
	require.NoError(t, err)
	seen := map[string]bool{}
	for _, c := range cases {
		if seen[c.ID] {
			continue
		}
		seen[c.ID] = true
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

func compare(t *testing.T, c Case, got *Result) {
	t.Helper()
	if diff := Diff(c, got); diff != "" {
		t.Fatal(diff)
	}
}

func compareStores(t *testing.T, c Case, got map[string]Store) {
	t.Helper()
	if diff := diffStores(c, got); diff != "" {
		t.Error(diff)
	}
}

func equalLines(t *testing.T, what string, want, got []string) {
	t.Helper()
	if diff := diffLines(want, got); diff != "" {
		t.Fatalf("%s: %s", what, diff)
	}
}
