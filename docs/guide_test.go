// Package docs_test compiles what the documents show.
package docs_test

import (
	"encoding/json/v2"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// prelude declares what the pages' blocks talk about.
const prelude = `package docs

import (
	"context"
	"encoding/json/v2"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/thalweg/thalweg/broker"
	"github.com/thalweg/thalweg/dsl"
	"github.com/thalweg/thalweg/processor"
	"github.com/thalweg/thalweg/processor/processortest"
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
	orders     = topology.NewTopic("orders", serde.String, serde.JSON[Order]())
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
`

// names finds the variables that a block declares at its outermost level.
var names = regexp.MustCompile(`(?m)^(\w+(?:, \w+)*) :=`)

// program makes a function of a page's blocks, one after the other; blocks marked
// "go file" stand outside it.
func program(t *testing.T, page string) string {
	t.Helper()
	text, err := os.ReadFile(page + ".md")
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
		require.True(t, found, "%s: a block does not end", page)
		if strings.TrimSpace(kind) == "file" {
			file.WriteString(code + "\n")
			continue
		}
		body.WriteString(code + "\n")
		for _, m := range names.FindAllStringSubmatch(code, -1) {
			fmt.Fprintf(&body, "use(%s)\n", strings.ReplaceAll(m[1], "_, ", ""))
		}
	}
	require.NotZero(t, blocks, "%s has no code", page)
	return fmt.Sprintf("\nfunc %s(t *testing.T, ctx context.Context, b *dsl.Builder, old, topo *topology.Topology) error {\n%sreturn nil\n}\n%s",
		strings.ReplaceAll("page-"+page, "-", "_"), body.String(), file.String())
}

// The statements of each page are a function that compiles.
func TestPagesCompile(t *testing.T) {
	source := prelude
	for _, page := range []string{"concepts", "guide", "stores", "time", "exactly-once", "evolving", "testing", "tuning"} {
		source += program(t, page)
	}
	here, err := os.Getwd()
	require.NoError(t, err)
	dir := t.TempDir()
	pages, overlay := filepath.Join(dir, "pages.go"), filepath.Join(dir, "overlay.json")
	require.NoError(t, os.WriteFile(pages, []byte(source), 0o644))
	replace, err := json.Marshal(map[string]map[string]string{"Replace": {filepath.Join(here, "pages.go"): pages}})
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(overlay, replace, 0o644))
	out, err := exec.Command("go", "vet", "-overlay", overlay, ".").CombinedOutput()
	require.NoError(t, err, string(out))
}
