package docs_test

import (
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/printer"
	"go/token"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var rewrite = flag.Bool("rewrite", false, "write the generated documents instead of comparing them")

// The reference of the configuration is what the structs say: go test ./docs -rewrite writes it.
func TestConfigurationIsCurrent(t *testing.T) {
	var out strings.Builder
	out.WriteString(`# Configuration

Written from the comments of the structs by ` + "`go test ./docs -rewrite`" + `; a test compares. The zero value of a field means its
default. Mistakes are reported all at once, before anything starts.

`)
	writeStruct(t, &out, "../runtime/config.go", "Config", "runtime.Config")
	writeStruct(t, &out, "../broker/config.go", "Config", "broker.Config")
	writeStruct(t, &out, "../broker/config.go", "Listener", "broker.Listener")
	writeStruct(t, &out, "../broker/config.go", "Limits", "broker.Limits")
	out.WriteString("The flags of `thalweg broker`, and their environment variables, are those of broker.Config: `thalweg broker --help`.\n")
	if *rewrite {
		require.NoError(t, os.WriteFile("configuration.md", []byte(out.String()), 0o644))
		return
	}
	have, err := os.ReadFile("configuration.md")
	require.NoError(t, err)
	require.Equal(t, string(have), out.String(), "run: go test ./docs -rewrite")
}

// writeStruct writes a table of the exported fields of a struct.
func writeStruct(t *testing.T, out *strings.Builder, file, name, title string) {
	t.Helper()
	files := token.NewFileSet()
	parsed, err := parser.ParseFile(files, file, nil, parser.ParseComments)
	require.NoError(t, err)
	spec, ok := parsed.Scope.Lookup(name).Decl.(*ast.TypeSpec)
	require.True(t, ok, "%s has no type %s", file, name)
	fields, ok := spec.Type.(*ast.StructType)
	require.True(t, ok, "%s is no struct", name)

	fmt.Fprintf(out, "## %s\n\n| field | type | |\n|---|---|---|\n", title)
	for _, f := range fields.Fields.List {
		var typ strings.Builder
		require.NoError(t, printer.Fprint(&typ, files, f.Type))
		text := strings.Join(strings.Fields(f.Doc.Text()+" "+f.Comment.Text()), " ")
		for _, n := range f.Names {
			if n.IsExported() {
				fmt.Fprintf(out, "| %s | `%s` | %s |\n", n.Name, typ.String(), strings.ReplaceAll(text, "|", `\|`))
			}
		}
	}
	out.WriteString("\n")
}
