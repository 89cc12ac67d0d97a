package docs_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var (
	testName   = regexp.MustCompile("`(Test[A-Z][A-Za-z0-9]*)`")
	goldenName = regexp.MustCompile("`([a-z]+(?:-[a-z0-9]+)+)`")
)

// What the scorecard and the page on bad input point at exists: tests, and
// recorded runs where they name one in full.
func TestPagesPointAtWhatExists(t *testing.T) {
	var tests strings.Builder
	require.NoError(t, filepath.WalkDir("..", func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		source, err := os.ReadFile(path)
		tests.Write(source)
		return err
	}))
	for _, page := range []string{"scorecard.md", "bad-input.md"} {
		text, err := os.ReadFile(page)
		require.NoError(t, err)
		for _, m := range testName.FindAllStringSubmatch(string(text), -1) {
			require.Contains(t, tests.String(), "func "+m[1]+"(", "%s names %s", page, m[1])
		}
		for line := range strings.Lines(string(text)) {
			_, where, found := strings.Cut(line, "golden ")
			if !found {
				continue
			}
			for _, m := range goldenName.FindAllStringSubmatch(where, -1) {
				require.FileExists(t, filepath.Join("..", "internal", "golden", "testdata", "cases", m[1]+".1.json"))
			}
		}
	}
}

// The first line says how many lines say what.
func TestScorecardCounts(t *testing.T) {
	text, err := os.ReadFile("scorecard.md")
	require.NoError(t, err)
	n := func(says string) int { return strings.Count(string(text), " | "+says+" | ") }
	require.Contains(t, strings.Join(strings.Fields(string(text)), " "),
		fmt.Sprintf("%d yes, %d partly, %d different on purpose, %d no.", n("yes"), n("partly"), n("different"), n("no")))
}
