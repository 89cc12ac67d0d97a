package dsl_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thalweg/thalweg/dsl"
	"github.com/thalweg/thalweg/processor"
	"github.com/thalweg/thalweg/serde"
	"github.com/thalweg/thalweg/topology"
)

// The function sees the key that was looked up, and null where there was none.
func TestGlobalJoinsGiveBothKeys(t *testing.T) {
	rows := topology.NewTopic("rows", serde.Bytes, serde.String)
	key := func(k, v string) []byte {
		if k == "" {
			return nil
		}
		return []byte(k + "/" + v)
	}
	text := func(k string, ko []byte, v, o string) string { return fmt.Sprintf("%s %q %s %q", k, ko, v, o) }
	left := func(k string, ko []byte, v string, o dsl.Maybe[string]) string { return text(k, ko, v, o.Or("-")) }
	for name, c := range map[string]struct {
		join func(s dsl.Stream[string, string], g dsl.GlobalTable[[]byte, string]) dsl.Stream[string, string]
		left bool
	}{
		"inner": {func(s dsl.Stream[string, string], g dsl.GlobalTable[[]byte, string]) dsl.Stream[string, string] {
			return s.JoinGlobalWithKeys(g, key, text)
		}, false},
		"left": {func(s dsl.Stream[string, string], g dsl.GlobalTable[[]byte, string]) dsl.Stream[string, string] {
			return s.LeftJoinGlobalWithKeys(g, key, left)
		}, true},
		"try inner": {func(s dsl.Stream[string, string], g dsl.GlobalTable[[]byte, string]) dsl.Stream[string, string] {
			return s.TryJoinGlobalWithKeys(g, key, func(_ *processor.Context, r processor.Record[string, string], ko []byte, o string) (string, error) {
				return text(r.Key, ko, r.Value, o), nil
			})
		}, false},
		"try left": {func(s dsl.Stream[string, string], g dsl.GlobalTable[[]byte, string]) dsl.Stream[string, string] {
			return s.TryLeftJoinGlobalWithKeys(g, key, func(_ *processor.Context, r processor.Record[string, string], ko []byte, o dsl.Maybe[string]) (string, error) {
				return left(r.Key, ko, r.Value, o), nil
			})
		}, true},
	} {
		t.Run(name, func(t *testing.T) {
			b := dsl.NewBuilder()
			var got []string
			c.join(b.Stream(words), b.GlobalTable(rows, "rows")).ForEach(func(_, v string) { got = append(got, v) })
			d := drive(b)
			defer d.Close()
			d.Input(rows).Send([]byte("a/x"), "row")
			d.Input(words).Send("a", "x")
			d.Input(words).Send("a", "y")
			d.Input(words).SendRecord(processor.Record[string, string]{Value: "z", NullKey: true})
			if c.left {
				require.Equal(t, []string{`a "a/x" x "row"`, `a "a/y" y "-"`, ` "" z "-"`}, got)
			} else {
				require.Equal(t, []string{`a "a/x" x "row"`}, got)
				require.EqualValues(t, 1, d.Dropped()[processor.DropNullKey])
			}
		})
	}
}
