package testdriver_test

import (
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/thalweg/thalweg/dsl"
	"github.com/thalweg/thalweg/processor"
	"github.com/thalweg/thalweg/serde"
	"github.com/thalweg/thalweg/testdriver"
	"github.com/thalweg/thalweg/topology"
	"github.com/thalweg/thalweg/windowing"
)

// Random programs are run in many ways, which must all give the result of a
// model that has neither caches nor partitions nor stores: with and without
// caches, with one task and with many partitions, with commits after each record
// and now and then, with tasks that crash and are restored.
//
// What must be equal is the final state: the last value of each key in each
// output topic. Where all runs see records in one order, the aggregations may
// depend on it; below a change of keys they must not.

var (
	leftIn  = topology.NewTopic("left", serde.String, serde.String)
	rightIn = topology.NewTopic("right", serde.String, serde.String)
	tableIn = topology.NewTopic("table", serde.String, serde.String)
)

// A row is a record of the model.
type row struct {
	k, v string
	ts   int64
}

// step is a stateless operator, in both worlds.
type step struct {
	name  string
	model func(row) []row
	build func(dsl.Stream[string, string]) dsl.Stream[string, string]
	rekey bool
}

var steps = []step{
	{
		name:  "filter even",
		model: func(r row) []row { return keepIf(r, len(r.v)%2 == 0) },
		build: func(s dsl.Stream[string, string]) dsl.Stream[string, string] {
			return s.Filter(func(_, v string) bool { return len(v)%2 == 0 })
		},
	},
	{
		name:  "upper",
		model: func(r row) []row { r.v = strings.ToUpper(r.v); return []row{r} },
		build: func(s dsl.Stream[string, string]) dsl.Stream[string, string] {
			return s.MapValues(strings.ToUpper)
		},
	},
	{
		name:  "twice",
		model: func(r row) []row { again := r; again.v += "+"; return []row{r, again} },
		build: func(s dsl.Stream[string, string]) dsl.Stream[string, string] {
			return s.FlatMapValues(func(v string) iter.Seq[string] { return slices.Values([]string{v, v + "+"}) })
		},
	},
	{
		name:  "by first",
		model: func(r row) []row { r.k = r.v[:1]; return []row{r} },
		build: func(s dsl.Stream[string, string]) dsl.Stream[string, string] {
			return s.SelectKey(func(_, v string) string { return v[:1] })
		},
		rekey: true,
	},
}

func keepIf(r row, keep bool) []row {
	if keep {
		return []row{r}
	}
	return nil
}

// bag is an aggregate that does not depend on the order: the sorted values.
func bag(v, sum string) string {
	if sum == "" {
		return v
	}
	all := append(strings.Split(sum, ","), v)
	slices.Sort(all)
	return strings.Join(all, ",")
}

func unbag(v, sum string) string {
	all := strings.Split(sum, ",")
	if i := slices.Index(all, v); i >= 0 {
		all = slices.Delete(all, i, i+1)
	}
	return strings.Join(all, ",")
}

// An end is a stateful operator that writes to the topic "out<i>".
type end struct {
	name  string
	model func(m *model, topic string, r row)
	build func(b *dsl.Builder, s dsl.Stream[string, string], t dsl.Table[string, string], out topology.Topic[string, string])
}

// model holds the states of all ends, by topic and key.
type model struct {
	sums  map[string]string // topic|key → aggregate
	table map[string]string
	last  map[string]string // topic|key → last value, "" for none
}

func (m *model) put(topic, key, value string) {
	if value == "" {
		delete(m.last, topic+"|"+key)
	} else {
		m.last[topic+"|"+key] = value
	}
}

const size, grace = 20, 1 << 40 // milliseconds; nothing is late

var ends = []end{
	{
		name: "count",
		model: func(m *model, topic string, r row) {
			k := topic + "|" + r.k
			m.sums[k] = bag("1", m.sums[k])
			m.put(topic, r.k, fmt.Sprint(len(strings.Split(m.sums[k], ","))))
		},
		build: func(_ *dsl.Builder, s dsl.Stream[string, string], _ dsl.Table[string, string], out topology.Topic[string, string]) {
			s.GroupByKey().Count("count-" + out.Name).ToStream().MapValues(func(n int64) string { return fmt.Sprint(n) }).To(out)
		},
	},
	{
		name: "bag",
		model: func(m *model, topic string, r row) {
			k := topic + "|" + r.k
			m.sums[k] = bag(r.v, m.sums[k])
			m.put(topic, r.k, m.sums[k])
		},
		build: func(_ *dsl.Builder, s dsl.Stream[string, string], _ dsl.Table[string, string], out topology.Topic[string, string]) {
			s.GroupByKey().
				Aggregate("bag-"+out.Name, func() string { return "" }, func(_, v, sum string) string { return bag(v, sum) }).
				ToStream().To(out)
		},
	},
	{
		name: "windows",
		model: func(m *model, topic string, r row) {
			k := fmt.Sprintf("%s@%d", r.k, r.ts/size*size)
			m.sums[topic+"|"+k] = bag(r.v, m.sums[topic+"|"+k])
			m.put(topic, k, m.sums[topic+"|"+k])
		},
		build: func(_ *dsl.Builder, s dsl.Stream[string, string], _ dsl.Table[string, string], out topology.Topic[string, string]) {
			s.GroupByKey().
				WindowedBy(windowing.Tumbling(size*time.Millisecond).WithGrace(grace*time.Millisecond)).
				Aggregate("windows-"+out.Name, func() string { return "" }, func(_, v, sum string) string { return bag(v, sum) }).
				ToStream().
				SelectKey(func(w windowing.Windowed[string], _ string) string { return fmt.Sprintf("%s@%d", w.Key, w.Start) }).
				To(out)
		},
	},
	{
		name: "with table",
		model: func(m *model, topic string, r row) {
			k := topic + "|" + r.k
			m.sums[k] = bag(r.v+"/"+m.table[r.k], m.sums[k])
			m.put(topic, r.k, m.sums[k])
		},
		build: func(_ *dsl.Builder, s dsl.Stream[string, string], t dsl.Table[string, string], out topology.Topic[string, string]) {
			s.Repartition("join-"+out.Name).
				LeftJoinTable(t, func(v string, o dsl.Maybe[string]) string { return v + "/" + o.Value }).
				GroupByKey().
				Aggregate("joined-"+out.Name, func() string { return "" }, func(_, v, sum string) string { return bag(v, sum) }).
				ToStream().To(out)
		},
	},
}

// program is a random program: two streams with steps, merged, then some ends;
// and the table, regrouped.
type program struct {
	left, right []step
	ends        []end
}

func drawProgram(t *rapid.T) program {
	chain := rapid.SliceOfN(rapid.SampledFrom(steps), 0, 3)
	p := program{left: chain.Draw(t, "left"), right: chain.Draw(t, "right")}
	p.ends = rapid.SliceOfN(rapid.SampledFrom(ends), 1, 3).Draw(t, "ends")
	return p
}

func (p program) build(t *rapid.T) *topology.Topology {
	b := dsl.NewBuilder()
	tab := b.Table(tableIn, "rows")
	l, r := b.Stream(leftIn), b.Stream(rightIn)
	for _, s := range p.left {
		l = s.build(l)
	}
	for _, s := range p.right {
		r = s.build(r)
	}
	s := l.Merge(r)
	for i, e := range p.ends {
		e.build(b, s, tab, outTopic(i))
	}
	tab.GroupBy(func(k, v string) (string, string) { return v[:1], k + v }).
		Aggregate("grouped", func() string { return "" },
			func(_, v, sum string) string { return bag(v, sum) },
			func(_, v, sum string) string { return unbag(v, sum) }).
		ToStream().To(outTopic(len(p.ends)))
	topo, err := b.Build()
	if err != nil {
		t.Fatal(err)
	}
	return topo
}

func outTopic(i int) topology.Topic[string, string] {
	return topology.NewTopic(fmt.Sprint("out", i), serde.String, serde.String)
}

// input is one record to send, or a commit.
type input struct {
	topic  topology.Topic[string, string]
	row    row
	null   bool
	commit bool
}

func drawInputs(t *rapid.T) []input {
	one := rapid.Custom(func(t *rapid.T) input {
		in := input{topic: rapid.SampledFrom([]topology.Topic[string, string]{leftIn, rightIn, tableIn}).Draw(t, "topic")}
		in.row.k = rapid.StringMatching("[a-d]").Draw(t, "key")
		in.row.v = rapid.StringMatching("[a-d][x-z]{0,2}").Draw(t, "value")
		in.row.ts = rapid.Int64Range(0, 100).Draw(t, "time")
		in.null = in.topic.Name == tableIn.Name && rapid.IntRange(0, 4).Draw(t, "null") == 0
		in.commit = rapid.IntRange(0, 5).Draw(t, "commit") == 0
		return in
	})
	return rapid.SliceOfN(one, 1, 25).Draw(t, "inputs")
}

// expect is what the model says.
func (p program) expect(inputs []input) map[string]string {
	m := &model{sums: map[string]string{}, table: map[string]string{}, last: map[string]string{}}
	grouped := fmt.Sprint("out", len(p.ends))
	for _, in := range inputs {
		if in.topic.Name == tableIn.Name {
			k := in.row.k
			if old, ok := m.table[k]; ok {
				g := grouped + "|" + old[:1]
				m.sums[g] = unbag(k+old, m.sums[g])
				m.put(grouped, old[:1], m.sums[g])
				delete(m.table, k)
			}
			if !in.null {
				v := in.row.v
				m.table[k] = v
				g := grouped + "|" + v[:1]
				m.sums[g] = bag(k+v, m.sums[g])
				m.put(grouped, v[:1], m.sums[g])
			}
			continue
		}
		rows := []row{in.row}
		chain := p.left
		if in.topic.Name == rightIn.Name {
			chain = p.right
		}
		for _, s := range chain {
			var next []row
			for _, r := range rows {
				next = append(next, s.model(r)...)
			}
			rows = next
		}
		for _, r := range rows {
			for i, e := range p.ends {
				e.model(m, fmt.Sprint("out", i), r)
			}
		}
	}
	return m.last
}

// timeless tells programs whose result does not depend on when records pass a
// repartition topic.
func (p program) timeless() bool {
	return !slices.ContainsFunc(p.ends, func(e end) bool { return e.name == "with table" })
}

func (p program) run(t *rapid.T, topo *topology.Topology, inputs []input, opts ...testdriver.Option) map[string]string {
	tb := &rapidTB{T: t}
	defer tb.done()
	d := testdriver.New(tb, topo, opts...)
	for _, in := range inputs {
		d.Input(in.topic).SendRecord(processor.Record[string, string]{Key: in.row.k, Value: in.row.v, NullValue: in.null, Timestamp: in.row.ts})
		if in.commit {
			d.Commit()
		}
	}
	// Caches below caches need a commit each.
	for range 4 {
		d.Commit()
	}
	last := map[string]string{}
	for i := range len(p.ends) + 1 {
		topic := outTopic(i)
		for k, v := range testdriver.ReadMap(d.Output(topic)) {
			if v != "" {
				last[topic.Name+"|"+k] = v
			}
		}
	}
	return last
}

// rapidTB is a TB for one check.
type rapidTB struct {
	*rapid.T
	cleanup []func()
}

func (tb *rapidTB) Cleanup(f func()) { tb.cleanup = append(tb.cleanup, f) }

func (tb *rapidTB) done() {
	for _, f := range slices.Backward(tb.cleanup) {
		f()
	}
}

func TestRandomPrograms(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := drawProgram(t)
		inputs := drawInputs(t)
		want := p.expect(inputs)
		topo := p.build(t)
		seed := rapid.Uint64().Draw(t, "seed")
		variants := map[string][]testdriver.Option{
			"plain":                                nil,
			"no cache":                             {testdriver.CacheBytes(0)},
			"tiny cache":                           {testdriver.CacheBytes(200)},
			"partitions":                           {testdriver.Partitions(3)},
			"crashes":                              {testdriver.WithCrashes(seed)},
			"partitions, crashes":                  {testdriver.Partitions(3), testdriver.WithCrashes(seed)},
			"rare commits":                         {testdriver.ManualCommit()},
			"rare commits, partitions, tiny cache": {testdriver.ManualCommit(), testdriver.Partitions(5), testdriver.CacheBytes(200)},
		}
		if p.timeless() {
			// Records between sub-topologies move with the commits only.
			variants["rare commits, crashes"] = []testdriver.Option{testdriver.ManualCommit(), testdriver.WithCrashes(seed)}
			variants["rare commits, crashes, partitions"] = []testdriver.Option{testdriver.ManualCommit(), testdriver.Partitions(2), testdriver.WithCrashes(seed)}
		}
		for _, name := range slices.Sorted(maps.Keys(variants)) {
			if diff := cmp.Diff(want, p.run(t, topo, inputs, variants[name]...)); diff != "" {
				t.Fatalf("%s: left %v, right %v, ends %v (-want +got):\n%s", name, names(p.left), names(p.right), endNames(p.ends), diff)
			}
		}
	})
}

func names(steps []step) (n []string) {
	for _, s := range steps {
		n = append(n, s.name)
	}
	return n
}

func endNames(ends []end) (n []string) {
	for _, e := range ends {
		n = append(n, e.name)
	}
	return n
}
