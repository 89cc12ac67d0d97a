package dsl_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Each operator and each option has an example in its documentation.
func TestEveryOperatorHasAnExample(t *testing.T) {
	entries, err := os.ReadDir(".")
	require.NoError(t, err)
	var operators []string
	examples := make(map[string]bool)
	for _, e := range entries {
		if filepath.Ext(e.Name()) != ".go" {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), e.Name(), nil, parser.SkipObjectResolution)
		require.NoError(t, err)
		for _, d := range file.Decls {
			f, ok := d.(*ast.FuncDecl)
			switch {
			case !ok:
			case strings.HasSuffix(e.Name(), "_test.go"):
				examples[f.Name.Name] = true
			case f.Name.IsExported() && f.Recv == nil:
				operators = append(operators, f.Name.Name)
			case f.Name.IsExported() && !implementation(f):
				if of := receiver(f); ast.IsExported(of) {
					operators = append(operators, of+"_"+f.Name.Name)
				}
			}
		}
	}
	require.Greater(t, len(operators), 120)
	for _, name := range operators {
		if name != "NewBuilder" && name != "Builder_Reproduce" && !examples["Example"+name] {
			t.Errorf("no Example%s", name)
		}
	}
}

// implementation reports whether a method only implements Aggregator and its
// kin, or one of a value that an aggregator keeps.
func implementation(f *ast.FuncDecl) bool {
	switch f.Name.Name {
	case "Add", "Merge", "Remove", "Zero", "Value":
		return true
	}
	return false
}

func receiver(f *ast.FuncDecl) string {
	typ := f.Recv.List[0].Type
	for {
		switch x := typ.(type) {
		case *ast.StarExpr:
			typ = x.X
		case *ast.IndexExpr:
			typ = x.X
		case *ast.IndexListExpr:
			typ = x.X
		case *ast.Ident:
			return x.Name
		default:
			return ""
		}
	}
}
