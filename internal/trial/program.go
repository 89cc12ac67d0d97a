package trial

import (
	"fmt"
	"strings"

	"github.com/thalweg/thalweg/dsl"
	"github.com/thalweg/thalweg/internal/trial/spec"
	"github.com/thalweg/thalweg/processor"
	"github.com/thalweg/thalweg/serde"
	"github.com/thalweg/thalweg/topology"
	"github.com/thalweg/thalweg/windowing"
)

// program builds the application of the trial: a sub-topology for each kind of operator that keeps something.
type program struct {
	*dsl.Builder
	fuse   *fuse
	stores []dsl.StoreOption // of every table
}

// newProgram builds the topology. User code fails where the fuse says so.
func newProgram(f *fuse, cached bool) (*topology.Topology, error) {
	p := &program{Builder: dsl.NewBuilder(), fuse: f}
	if !cached {
		p.stores = append(p.stores, dsl.Uncached())
	}
	p.plain()
	p.windows()
	p.streamJoins()
	p.tableJoins()
	p.foreignJoins()
	return p.Build()
}

type (
	stream = dsl.Stream[string, string]
	table  = dsl.Table[string, string]
)

func topic(name string) topology.Topic[string, string] {
	return topology.NewTopic(name, serde.String, serde.String)
}

// in and out are the places where user code may fail: before the stores of a sub-topology and behind them.
func (p *program) in(name string) stream {
	return p.Stream(topic(name)).TryMapValues(p.burn)
}

func (p *program) out(s stream, name string) { s.TryMapValues(p.burn).To(topic(name)) }

func (p *program) burn(_ *processor.Context, r processor.Record[string, string]) (string, error) {
	return r.Value, p.fuse.burn()
}

// outTable writes a table, its deletions too.
func (p *program) outTable(t table, name string) {
	t.TryMapValues(func(_, v string) (string, error) { return v, p.fuse.burn() }).ToStream().To(topic(name))
}

func (p *program) table(name string, more ...dsl.StoreOption) table {
	return p.Table(topic(name), name+"-store", append(more, p.stores...)...)
}

func empty() string { return "" }

func list(_, id, ids string) string { return merge("", ids, id) }

func merge(_, a, b string) string {
	if a == "" || b == "" {
		return a + b
	}
	return a + "," + b
}

func (p *program) plain() {
	p.out(p.in(spec.Pipe).Filter(func(_, id string) bool { return !strings.HasPrefix(id, spec.Dropped) }).
		MapValues(func(id string) string { return "piped " + id }), spec.PipeOut)

	counted := p.in(spec.Counted).GroupByKey()
	p.out(counted.Count("count-store", p.stores...).ToStream().MapValues(func(n int64) string { return fmt.Sprint(n) }), spec.CountOut)
	p.out(counted.Aggregate("list-store", empty, list, p.stores...).ToStream(), spec.ListOut)

	p.out(p.in(spec.Rekeyed).SelectKey(func(_, id string) string { return spec.Group(id) }).
		GroupByKey(dsl.RepartitionAs("rekeyed-by-group")).
		Aggregate("rekeyed-store", empty, list, p.stores...).ToStream(), spec.RekeyedOut)

	add := func(ids, id string) string { return merge("", ids, id) }
	p.outTable(p.table(spec.Wallets).
		GroupBy(func(wallet, v string) (string, string) {
			group, _, _ := strings.Cut(v, ":")
			return group, wallet + "=" + v
		}, dsl.RepartitionAs("wallets-by-group")).
		Reduce("wallets-by-group-store", add, remove, p.stores...), spec.WalletsOut)
}

// remove takes one id out of a list.
func remove(ids, id string) string {
	out := ""
	for x := range strings.SplitSeq(ids, ",") {
		if x == id {
			id = "" // once
			continue
		}
		out = merge("", out, x)
	}
	return out
}

func (p *program) windows() {
	byKey := p.in(spec.Events).GroupByKey()
	time := byKey.WindowedBy(windowing.Tumbling(spec.Window).WithGrace(spec.Grace))
	windows := time.Aggregate("window-store", empty, list, p.stores...)
	p.outWindows(windows, spec.WindowOut)
	p.outWindows(dsl.FinalOnly(windows, dsl.Named("window-held")), spec.WindowHeld)
	p.outWindows(time.EmitOnClose().Aggregate("window-final-store", empty, list, p.stores...), spec.WindowFinal)

	session := byKey.SessionBy(windowing.Sessions(spec.Gap).WithGrace(spec.Grace))
	p.outWindows(session.EmitOnClose().Aggregate("session-final-store", empty, list, merge, p.stores...), spec.SessionFinal)
	p.outWindows(dsl.FinalOnly(session.Aggregate("session-store", empty, list, merge, p.stores...), dsl.Named("session-held")), spec.SessionHeld)
}

// outWindows writes windows under the key "key@start", sessions and all.
func (p *program) outWindows(t dsl.Table[windowing.Windowed[string], string], name string) {
	p.out(t.ToStream().SelectKey(func(w windowing.Windowed[string], _ string) string { return fmt.Sprintf("%s@%d", w.Key, w.Start) }), name)
}

func (p *program) streamJoins() {
	clicks, views := p.in(spec.Clicks), p.in(spec.Views)
	within := windowing.Within(spec.Within).WithGrace(spec.Grace)
	side := func(m dsl.Maybe[string]) string { return m.Or("nothing") }
	p.out(clicks.Join("inner", views, within, func(l, r string) string { return l + " " + r }), spec.InnerOut)
	p.out(clicks.LeftJoin("left", views, within, func(l string, r dsl.Maybe[string]) string { return l + " " + side(r) }), spec.LeftOut)
	p.out(clicks.OuterJoin("outer", views, within, func(l, r dsl.Maybe[string]) string { return side(l) + " " + side(r) }), spec.OuterOut)
}

func (p *program) tableJoins() {
	people := p.table(spec.People)
	p.out(p.in(spec.Visits).LeftJoinTable(people, func(id string, m dsl.Maybe[string]) string { return id + " " + m.Or("nobody") }), spec.VisitsOut)

	quotes := p.Table(topic(spec.Quotes), "quotes-store", dsl.Versioned(spec.History))
	p.out(p.in(spec.Trades).LeftJoinTable(quotes, func(id string, m dsl.Maybe[string]) string { return id + " " + m.Or("none") }), spec.TradesOut)
}

func (p *program) foreignJoins() {
	orders, customers := p.table(spec.Orders), p.table(spec.Customers)
	customer := func(_, v string) (string, bool) {
		c, _, _ := strings.Cut(v, ":")
		return c, c != ""
	}
	p.outTable(orders.JoinOn("foreign-inner", customers, customer, func(o, c string) string { return o + " " + c }, p.stores...), spec.ForeignInner)
	p.outTable(orders.LeftJoinOn("foreign-left", customers, customer, func(o string, c dsl.Maybe[string]) string { return o + " " + c.Or("nobody") }, p.stores...), spec.ForeignLeft)
}
