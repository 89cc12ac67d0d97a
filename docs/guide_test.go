// Package docs_test compiles what the documents show.
package docs_test

import (
	"encoding/json/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// prelude declares what the guide's blocks talk about.
const prelude = `package snippets

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/thalweg/thalweg/broker"
	"github.com/thalweg/thalweg/dsl"
	"github.com/thalweg/thalweg/processor"
	"github.com/thalweg/thalweg/runtime"
	"github.com/thalweg/thalweg/serde"
	"github.com/thalweg/thalweg/state"
	"github.com/thalweg/thalweg/state/pebble"
	"github.com/thalweg/thalweg/testdriver"
	"github.com/thalweg/thalweg/topology"
	"github.com/thalweg/thalweg/windowing"
)

type (
	Order    struct { ID, Customer string; Cents int64; At time.Time }
	Customer struct{ Name string }
	Bill     struct { Order, Name string; Cents int64 }
	Click    struct{ Page string }
	View     struct{ Ad string }
	Match    struct{ Page, Ad string }
)

var (
	lines      = topology.NewTopic("lines", serde.String, serde.String)
	large      = topology.NewTopic("large", serde.String, serde.JSON[Order]())
	small      = topology.NewTopic("small", serde.String, serde.JSON[Order]())
	hourly     = topology.NewTopic("hourly", serde.String, serde.Int64)
	clicks     = topology.NewTopic("clicks", serde.String, serde.JSON[Click]())
	views      = topology.NewTopic("views", serde.String, serde.JSON[View]())
	matches    = topology.NewTopic("matches", serde.String, serde.JSON[Match]())
	customers  = topology.NewTopic("customers", serde.String, serde.JSON[Customer]())
	openOrders = topology.NewTopic("open-orders", serde.String, serde.JSON[Order]())
	bills      = topology.NewTopic("bills", serde.String, serde.JSON[Bill]())
	openBills  = topology.NewTopic("open-bills", serde.String, serde.JSON[Bill]())
	noon       = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
)

func use(...any) {}

func Build(t *testing.T, ctx context.Context, b *dsl.Builder, old *topology.Topology) error {
`

const epilogue = `
	use(late, cents, words, parsed, counts, mean, visits, got, app)
	return err
}
`

// The guide's statements, one after the other, are one program that compiles; blocks marked "go file" stand outside it.
func TestGuideCompiles(t *testing.T) {
	text, err := os.ReadFile("guide.md")
	require.NoError(t, err)
	var body, file strings.Builder
	blocks := 0
	for rest := string(text); ; blocks++ {
		_, after, found := strings.Cut(rest, "```go")
		if !found {
			break
		}
		kind, code, _ := strings.Cut(after, "\n")
		code, rest, found = strings.Cut(code, "```")
		require.True(t, found, "a block does not end")
		if strings.TrimSpace(kind) == "file" {
			file.WriteString(code + "\n")
		} else {
			body.WriteString(code + "\n")
		}
	}
	require.Greater(t, blocks, 10)

	here, err := os.Getwd()
	require.NoError(t, err)
	dir := t.TempDir()
	source, overlay := filepath.Join(dir, "snippets.go"), filepath.Join(dir, "overlay.json")
	require.NoError(t, os.WriteFile(source, []byte(prelude+body.String()+epilogue+file.String()), 0o644))
	replace, err := json.Marshal(map[string]map[string]string{"Replace": {filepath.Join(here, "snippets", "snippets.go"): source}})
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(overlay, replace, 0o644))
	out, err := exec.Command("go", "build", "-overlay", overlay, "-o", os.DevNull, "./snippets").CombinedOutput()
	require.NoError(t, err, string(out))
}
