package dsl_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thalweg/thalweg/dsl"
	"github.com/thalweg/thalweg/processor"
	"github.com/thalweg/thalweg/serde"
	"github.com/thalweg/thalweg/testdriver"
	"github.com/thalweg/thalweg/topology"
	"github.com/thalweg/thalweg/windowing"
)

// kind is a kind of text: a plain type, or one with a null of its own.
type kind[T any] struct {
	serde serde.Serde[T]
	of    func(string) T
	show  func(T) string
}

var (
	plainTexts    = kind[string]{serde.String, func(s string) string { return s }, func(s string) string { return s }}
	nullableTexts = kind[*string]{serde.Nullable(serde.String), func(s string) *string { return &s }, func(s *string) string {
		if s == nil {
			return "null"
		}
		return *s
	}}
)

// nullTest is one program: an operator on a stream of texts, and what its
// functions see.
type nullTest[T any] struct {
	kind[T]
	b    *dsl.Builder
	seen []string
}

func (x *nullTest[T]) topic(name string) topology.Topic[T, T] {
	return topology.NewTopic(name, x.serde, x.serde)
}

// rows is a table that has the row r of the key a.
func (x *nullTest[T]) rows() dsl.Table[T, T] { return x.b.Table(x.topic("rows"), "rows") }

// see notes what a function was given.
func (x *nullTest[T]) see(values ...T) {
	var s []string
	for _, v := range values {
		s = append(s, x.show(v))
	}
	x.seen = append(x.seen, strings.Join(s, ":"))
}

// plus is v and a sign, and noted.
func (x *nullTest[T]) plus(v T) T { x.see(v); return x.of(x.show(v) + "+") }

// TestNulls holds every operator to the rule about nulls, see the package's doc.
func TestNulls(t *testing.T) {
	tried := map[string]bool{}
	plain, nullable := nullCases[string](), nullCases[*string]()
	for i, c := range plain {
		t.Run(c.op, func(t *testing.T) {
			want := wantOf(t, c.op)
			require.Equal(t, want.plain, runNull(t, plainTexts, c), "plain")
			require.Equal(t, want.nullable, runNull(t, nullableTexts, nullable[i]), "nullable")
		})
		tried[c.op] = true
	}
	for _, op := range operators(t) {
		require.True(t, tried[op] || slices.Contains(strings.Fields(nullFree), op), "%s: no case of it", op)
	}
}

// runNull writes what the functions of an operator see, what comes out, and what
// is dropped, of a=x, a=null, null=x and null=null.
func runNull[T any](t *testing.T, k kind[T], c nullCase[T]) string {
	x := &nullTest[T]{kind: k, b: dsl.NewBuilder().Use(k.serde).Use(serde.Int64)}
	c.write(x, x.b.Stream(x.topic("in"))).To(x.topic("out"))
	d := testdriver.New(t, build(t, x.b), testdriver.StartAt(time.UnixMilli(1000)))
	var none T
	if strings.Contains(c.op, "Join") || strings.Contains(c.op, "Merge") {
		d.Input(x.topic("rows")).Send(k.of("a"), k.of("r"))
		x.seen = nil
		d.Output(x.topic("out")).All()
	}
	for _, r := range []processor.Record[T, T]{
		{Key: k.of("a"), Value: k.of("x")},
		{Key: k.of("a"), Value: none, NullValue: true},
		{Key: none, Value: k.of("x"), NullKey: true},
		{Key: none, Value: none, NullKey: true, NullValue: true},
	} {
		r.Timestamp = 1000
		d.Input(x.topic("in")).SendRecord(r)
	}
	var out, dropped []string
	text := func(v T, null bool) string {
		if null {
			return "null"
		}
		return k.show(v)
	}
	for _, r := range d.Output(x.topic("out")).All() {
		out = append(out, text(r.Key, r.NullKey)+"="+text(r.Value, r.NullValue))
	}
	for _, reason := range slices.Sorted(maps.Keys(d.Dropped())) {
		dropped = append(dropped, fmt.Sprintf("%s %d", reason, d.Dropped()[reason]))
	}
	return fmt.Sprintf("%s | %s | %s", strings.Join(x.seen, " "), strings.Join(out, " "), strings.Join(dropped, ", "))
}

// operators are the exported methods of streams, tables and what is between.
func operators(t *testing.T) (ops []string) {
	files, err := os.ReadDir(".")
	require.NoError(t, err)
	set := token.NewFileSet()
	for _, f := range files {
		if !strings.HasSuffix(f.Name(), ".go") || strings.HasSuffix(f.Name(), "_test.go") {
			continue
		}
		file, err := parser.ParseFile(set, f.Name(), nil, 0)
		require.NoError(t, err)
		for _, decl := range file.Decls {
			if m, ok := decl.(*ast.FuncDecl); ok && m.Recv != nil && m.Name.IsExported() {
				if of := typeName(m.Recv.List[0].Type); operatorTypes[of] {
					ops = append(ops, of+"."+m.Name.Name)
				}
			}
		}
	}
	return ops
}

var operatorTypes = map[string]bool{
	"Stream": true, "Cases": true, "Grouped": true, "TimeWindowed": true, "SlidingWindowed": true, "SessionWindowed": true,
	"Cogrouped": true, "TimeCogrouped": true, "SlidingCogrouped": true, "SessionCogrouped": true, "Table": true, "GroupedTable": true,
}

func typeName(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.StarExpr:
		return typeName(e.X)
	case *ast.IndexExpr:
		return typeName(e.X)
	case *ast.IndexListExpr:
		return typeName(e.X)
	case *ast.Ident:
		return e.Name
	}
	return ""
}

// A null value moves the time of windows, whether its type is plain or not.
func TestNullValuesMoveTime(t *testing.T) {
	t.Run("plain", func(t *testing.T) { nullMovesTime(t, plainTexts) })
	t.Run("nullable", func(t *testing.T) { nullMovesTime(t, nullableTexts) })
}

func nullMovesTime[T any](t *testing.T, k kind[T]) {
	type windows = dsl.Table[windowing.Windowed[T], T]
	second := windowing.Tumbling(time.Second).WithGrace(time.Second)
	gap := windowing.Sessions(time.Second).WithGrace(time.Second)
	last := func(_, v T) T { return v }
	for name, write := range map[string]func(dsl.Grouped[T, T]) windows{
		"windows":           func(g dsl.Grouped[T, T]) windows { return g.WindowedBy(second).Reduce("r", last) },
		"windows on close":  func(g dsl.Grouped[T, T]) windows { return g.WindowedBy(second).EmitOnClose().Reduce("r", last) },
		"sessions":          func(g dsl.Grouped[T, T]) windows { return g.SessionBy(gap).Reduce("r", last) },
		"sessions on close": func(g dsl.Grouped[T, T]) windows { return g.SessionBy(gap).EmitOnClose().Reduce("r", last) },
	} {
		t.Run(name, func(t *testing.T) {
			x := &nullTest[T]{kind: k, b: dsl.NewBuilder().Use(k.serde)}
			write(x.b.Stream(x.topic("in")).GroupByKey()).ToStream().SelectKey(windowing.Key).To(x.topic("out"))
			d := testdriver.New(t, build(t, x.b))
			in := d.Input(x.topic("in"))
			in.SendAt(time.UnixMilli(0), k.of("a"), k.of("x"))
			in.SendRecord(processor.Record[T, T]{Key: k.of("b"), NullValue: true, Timestamp: 5000})
			if strings.HasSuffix(name, "on close") {
				require.Len(t, d.Output(x.topic("out")).All(), 1)
			}
			in.SendAt(time.UnixMilli(1), k.of("a"), k.of("y"))
			require.Equal(t, int64(1), d.Dropped()[processor.DropLate])
		})
	}
}
