package golden

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
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
		compareStores(t, c, got.Stores)
		require.Empty(t, diffCounts(c.Internal, got.Internal), "internal topics")
		if c.Records != nil {
			require.Empty(t, diffWire(c.Records, got.Internal), "internal topics")
		}
	}
}

// compareStores compares the visible content of the stores. Stores that the
// user did not name are found by their content.
func compareStores(t *testing.T, c Case, got map[string]Store) {
	t.Helper()
	rest := maps.Clone(got)
	var unnamed []Store
	for _, name := range slices.Sorted(maps.Keys(c.Stores)) {
		want := c.Stores[name]
		if generated.MatchString(name) {
			unnamed = append(unnamed, want)
			continue
		}
		g, ok := rest[name]
		require.True(t, ok, "store %q", name)
		delete(rest, name)
		if diff := storeDiff(want, g); diff != "" {
			t.Errorf("store %q: %s", name, diff)
		}
	}
	for _, want := range unnamed {
		found := ""
		for _, name := range slices.Sorted(maps.Keys(rest)) {
			if storeDiff(want, rest[name]) == "" {
				found = name
				break
			}
		}
		if found == "" {
			t.Errorf("no store like %v %d %v among %v", want.Type, want.Size, lines(want.Entries), rest)
		}
		delete(rest, found)
	}
	require.Empty(t, rest, "stores that should not be there")
}

// storeDiff returns how two stores differ, "" when they do not. In a cached
// store with retention, what has expired may be there or not.
func storeDiff(want, got Store) string {
	if want.Type == "buffer" || want.Type == "internal" {
		if want.Size != got.Size {
			return fmt.Sprintf("%d entries, want %d", got.Size, want.Size)
		}
		return ""
	}
	w, g := want.Entries, got.Entries
	if want.Type == "window" {
		w = timeless(w, g)
	}
	if got.Cached && got.Retention > 0 {
		w, g = got.alive(w), got.alive(g)
	}
	return cmp.Diff(lines(w), lines(g))
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

// timeless hides timestamps in the recording of a store that keeps none: some
// are shown with the windows' starts.
func timeless(want, got []Entry) []Entry {
	if slices.ContainsFunc(got, func(e Entry) bool { return e.TS != nil }) {
		return want
	}
	want = slices.Clone(want)
	for i := range want {
		if e := &want[i]; e.TS != nil && *e.TS == *e.Start {
			e.TS = nil
		}
	}
	return want
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
