package dsl_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/thalweg/thalweg/dsl"
	"github.com/thalweg/thalweg/internal/quirk"
	"github.com/thalweg/thalweg/internal/seeds"
	"github.com/thalweg/thalweg/processor"
	"github.com/thalweg/thalweg/serde"
	"github.com/thalweg/thalweg/testdriver"
	"github.com/thalweg/thalweg/topology"
)

// Joins of tables are compared with a model that knows the last value of each
// row and nothing of hashes, answers, caches or time: whatever the order in which
// tasks take their turns, and however updates come, once all is processed the last
// result of every row is that of the rows as they are.

var (
	modelLeft  = topology.NewTopic("left", serde.String, serde.String)
	modelRight = topology.NewTopic("right", serde.String, serde.String)
)

// modelForeign takes the foreign key from "key|value"; "-" stands for none.
func modelForeign(_, v string) (string, bool) {
	fk, _, _ := strings.Cut(v, "|")
	return fk, fk != "-"
}

// modelJoin is one join and what it must come to: the result for a row, "" for
// none. Joined rows of either side are empty where they are not there.
type modelJoin struct {
	name  string
	build func(l, r dsl.Table[string, string]) dsl.Table[string, string]
	truth func(l, r map[string]string, k string) string
}

func bothSides(l, r dsl.Maybe[string]) string { return "[" + l.Value + "," + r.Value + "]" }

func odd(_, v string) bool { return len(v)%2 == 1 }

var modelJoins = []modelJoin{
	{
		"foreign-inner",
		func(l, r dsl.Table[string, string]) dsl.Table[string, string] {
			return l.JoinOn("fi", r, modelForeign, func(l, r string) string { return "[" + l + "," + r + "]" })
		},
		func(l, r map[string]string, k string) string { return foreignTruth(l, r, k, false) },
	},
	{
		"foreign-left",
		func(l, r dsl.Table[string, string]) dsl.Table[string, string] {
			return l.LeftJoinOn("fl", r, modelForeign, func(l string, r dsl.Maybe[string]) string { return "[" + l + "," + r.Value + "]" })
		},
		func(l, r map[string]string, k string) string { return foreignTruth(l, r, k, true) },
	},
	{
		"foreign-inner-of-a-filter",
		func(l, r dsl.Table[string, string]) dsl.Table[string, string] {
			return l.JoinOn("ff", r.Filter(odd), modelForeign, func(l, r string) string { return "[" + l + "," + r + "]" })
		},
		func(l, r map[string]string, k string) string {
			r = maps.Clone(r)
			maps.DeleteFunc(r, func(k, v string) bool { return !odd(k, v) })
			return foreignTruth(l, r, k, false)
		},
	},
	{
		"inner",
		func(l, r dsl.Table[string, string]) dsl.Table[string, string] {
			return l.Join(r, func(l, r string) string { return "[" + l + "," + r + "]" })
		},
		func(l, r map[string]string, k string) string { return keyTruth(l[k], r[k], l[k] != "" && r[k] != "") },
	},
	{
		"left",
		func(l, r dsl.Table[string, string]) dsl.Table[string, string] {
			return l.LeftJoin(r, func(l string, r dsl.Maybe[string]) string { return "[" + l + "," + r.Value + "]" })
		},
		func(l, r map[string]string, k string) string { return keyTruth(l[k], r[k], l[k] != "") },
	},
	{
		"outer",
		func(l, r dsl.Table[string, string]) dsl.Table[string, string] { return l.OuterJoin(r, bothSides) },
		func(l, r map[string]string, k string) string { return keyTruth(l[k], r[k], l[k] != "" || r[k] != "") },
	},
	{
		"outer-of-an-outer",
		func(l, r dsl.Table[string, string]) dsl.Table[string, string] {
			return l.OuterJoin(r, bothSides).Join(r, func(l, r string) string { return l + "," + r })
		},
		func(l, r map[string]string, k string) string {
			if r[k] == "" {
				return ""
			}
			return keyTruth(l[k], r[k], true) + "," + r[k]
		},
	},
	{
		"of-itself",
		func(l, _ dsl.Table[string, string]) dsl.Table[string, string] {
			return l.Filter(odd).Join(l.MapValues(tail), func(l, r string) string { return "[" + l + "," + r + "]" })
		},
		func(l, _ map[string]string, k string) string {
			if !odd(k, l[k]) {
				return ""
			}
			return keyTruth(l[k], tail(l[k]), true)
		},
	},
	{
		"foreign-of-a-join",
		func(l, r dsl.Table[string, string]) dsl.Table[string, string] {
			j := l.Join(r, func(l, r string) string { return l + ";" + r })
			return j.JoinOn("fj", r, modelForeign, func(l, r string) string { return "[" + l + "," + r + "]" })
		},
		func(l, r map[string]string, k string) string {
			if l[k] == "" || r[k] == "" {
				return ""
			}
			return foreignTruth(map[string]string{k: l[k] + ";" + r[k]}, r, k, false)
		},
	},
}

func tail(s string) string { return s[len(s)-1:] }

func keyTruth(l, r string, has bool) string {
	if !has {
		return ""
	}
	return "[" + l + "," + r + "]"
}

func foreignTruth(l, r map[string]string, k string, left bool) string {
	v := l[k]
	if v == "" {
		return ""
	}
	fk, ok := modelForeign(k, v)
	var other string
	if ok {
		other = r[fk]
	}
	return keyTruth(v, other, left || other != "")
}

// modelRun is one random history against one join. It returns how the results
// differ from the truth, "" if they do not.
func modelRun(t *testing.T, j modelJoin, seed uint64, quirks quirk.Set) string {
	t.Helper()
	random := rand.New(rand.NewPCG(seed, 7))
	out := topology.NewTopic("out", serde.String, serde.String)
	b := dsl.NewBuilder().Use(serde.String).Reproduce(quirks)
	cached := func() []dsl.StoreOption {
		if random.IntN(2) == 0 {
			return nil
		}
		return []dsl.StoreOption{dsl.Uncached()}
	}
	l, r := b.Table(modelLeft, "left", cached()...), b.Table(modelRight, "right", cached()...)
	j.build(l, r).ToStream().To(out)
	topo, err := b.Build()
	if err != nil {
		t.Fatal(err)
	}
	d := testdriver.New(t, topo, testdriver.Partitions(1+random.Int32N(2)), testdriver.Interleave(seed))
	defer d.Close()
	in := [2]testdriver.Input[string, string]{d.Input(modelLeft), d.Input(modelRight)}
	rows := [2]map[string]string{{}, {}}
	got := map[string]string{}
	keys := []string{"a", "b", "c"}
	n := 0
	for range 12 {
		for range 1 + random.IntN(8) {
			side, k := random.IntN(2), keys[random.IntN(len(keys))]
			n++
			rec := processor.Record[string, string]{Key: k, Timestamp: int64(n + random.IntN(5))}
			switch {
			case random.IntN(3) == 0:
				rec.NullValue = true
			case side == 0:
				rec.Value = fmt.Sprintf("%s|%d", [...]string{"a", "b", "x", "-"}[random.IntN(4)], random.IntN(30))
			default:
				rec.Value = fmt.Sprint(random.IntN(300))
			}
			in[side].Queue(rec)
			if rec.NullValue {
				delete(rows[side], k)
			} else {
				rows[side][k] = rec.Value
			}
		}
		d.Run()
		for _, o := range d.Output(out).All() {
			if o.NullValue {
				delete(got, o.Key)
			} else {
				got[o.Key] = o.Value
			}
		}
		want := map[string]string{}
		for _, k := range keys {
			if v := j.truth(rows[0], rows[1], k); v != "" {
				want[k] = v
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			return fmt.Sprintf("after %d updates, left %v, right %v (-want +got):\n%s", n, rows[0], rows[1], diff)
		}
	}
	return ""
}

func TestTableJoinsComeToTheTruth(t *testing.T) {
	for _, j := range modelJoins {
		t.Run(j.name, func(t *testing.T) {
			for seed := range seeds.Upto(300) {
				if diff := modelRun(t, j, seed, 0); diff != "" {
					t.Fatalf("seed %d: %s", seed, diff)
				}
			}
		})
	}
}

// The faults that are mended are found by the model.
func TestTableJoinModelFindsFaults(t *testing.T) {
	for _, x := range []struct {
		join   int
		quirks quirk.Set
	}{{0, quirk.StaleForeignJoins}, {0, quirk.UnseenDeletes}, {3, quirk.UnseenDeletes}} {
		found := false
		for seed := uint64(1); seed <= 2000 && !found; seed++ {
			found = modelRun(t, modelJoins[x.join], seed, x.quirks) != ""
		}
		if !found {
			t.Errorf("%s with fault %d: the model finds nothing", modelJoins[x.join].name, x.quirks)
		}
	}
}
