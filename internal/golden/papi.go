package golden

import (
	"fmt"
	"iter"
	"strings"
	"time"

	"github.com/thalweg/thalweg/processor"
	"github.com/thalweg/thalweg/state"
	"github.com/thalweg/thalweg/topology"
)

type (
	record = processor.Record[text, text]
	output = processor.Out[text, text]
)

// route forwards by name.
type route struct{}

func (route) Process(_ *processor.Context, r record, out *output) error {
	switch {
	case r.Value == nil:
		r.Value = new("nil")
		return out.Forward(r)
	case strings.HasPrefix(*r.Value, "u"):
		return out.ForwardTo("UP", r)
	case strings.HasPrefix(*r.Value, "p"):
		r.Headers = r.Headers.With("via", []byte("route"))
		return out.ForwardTo("PASS", r)
	}
	r.Timestamp += 100
	return out.ForwardTo("S2", r)
}

type up struct{}

func (up) Process(_ *processor.Context, r record, out *output) error {
	r.Value = new(strings.ToUpper(*r.Value))
	return out.Forward(r)
}

type pass struct{}

func (pass) Process(_ *processor.Context, r record, out *output) error {
	if err := out.Forward(r); err != nil {
		return err
	}
	r.Value, r.Headers = new(*r.Value+*r.Value), nil
	return out.Forward(r)
}

var kv = state.KeyValue("kv", textSerde, textSerde, state.InMemory())

func childrenHeaders(p *plan) {
	b := p.b.Topology()
	src := b.AddSource("SRC", texts("in"))
	routed := b.AddProcessor("ROUTE", func() route { return route{} }, src)
	upper := b.AddProcessor("UP", func() up { return up{} }, routed)
	passed := b.AddProcessor("PASS", func() pass { return pass{} }, routed)
	b.AddSink("S1", texts("up"), upper)
	b.AddSink("S2", texts("pass"), passed, routed)
	b.AddSink("S3", texts("up2"), upper)
}

// single is a source, one processor with a store, and a sink.
func single[P processor.Processor[text, text, text, text]](p *plan, make func() P, stores ...topology.Declared) {
	b := p.b.Topology()
	out := b.AddProcessor("PROC", make, b.AddSource("SRC", texts("in")))
	b.Connect("PROC", stores...)
	b.AddSink("OUT", texts("out"), out)
}

func punctuateStreamTime(p *plan) { single(p, func() *ticker { return new(ticker) }, kv) }

func punctuateWallClock(p *plan) { single(p, func() *flusher { return new(flusher) }, buf) }

// ticker forwards the content of its store as stream time passes.
type ticker struct{ kv *state.KV[text, text] }

func (t *ticker) Init(c *processor.Context, out *output) error {
	t.kv = kv.In(c)
	c.Schedule(ms(10), processor.StreamTime, func(now int64) error {
		var first text
		n := 0
		for e, err := range t.kv.All() {
			if err != nil {
				return err
			}
			if n++; n == 1 {
				first = e.Key
			}
			v := new("T" + num(now) + ":" + show(e.Value))
			if err := out.Forward(record{Key: e.Key, Value: v, Timestamp: now}); err != nil {
				return err
			}
		}
		if n > 2 {
			return t.kv.Delete(first)
		}
		return nil
	})
	c.Schedule(ms(25), processor.StreamTime, func(now int64) error {
		return out.Forward(record{Key: new("tick"), Value: new("t" + num(now)), Timestamp: now})
	})
	return nil
}

func (t *ticker) Process(_ *processor.Context, r record, out *output) error {
	if r.Key == nil {
		return nil
	}
	if r.Value != nil {
		return t.kv.Put(r.Key, r.Value)
	}
	old, _, err := t.kv.Get(r.Key)
	if err != nil {
		return err
	}
	if err := t.kv.Delete(r.Key); err != nil {
		return err
	}
	r.Value = new("del:" + show(old))
	return out.Forward(r)
}

var buf = state.Timestamped("buf", textSerde, textSerde)

// flusher forwards and empties its store as the wall clock moves.
type flusher struct {
	buf *state.TimestampedKV[text, text]
}

const epoch = 1000000000000

func (f *flusher) Init(c *processor.Context, out *output) error {
	f.buf = buf.In(c)
	var cancel func()
	fired := 0
	cancel = c.Schedule(ms(100), processor.WallClock, func(int64) error {
		for e, err := range f.buf.All() {
			if err != nil {
				return err
			}
			if err := out.Forward(record{Key: e.Key, Value: e.Value, Timestamp: e.Timestamp}); err != nil {
				return err
			}
			if err := f.buf.Delete(e.Key); err != nil {
				return err
			}
		}
		if fired++; fired == 3 {
			cancel()
		}
		return nil
	})
	c.ScheduleFrom(time.UnixMilli(epoch+35), ms(70), processor.WallClock, func(now int64) error {
		return out.Forward(record{Key: new("w"), Value: new("w" + num(now-epoch)), Timestamp: now})
	})
	c.Schedule(ms(500), processor.WallClock, func(now int64) error {
		v := fmt.Sprintf("now=%d,stream=%d", c.WallClock()-epoch, c.StreamTime())
		return out.Forward(record{Key: new("c"), Value: &v, Timestamp: now})
	})
	return nil
}

func (f *flusher) Process(_ *processor.Context, r record, _ *output) error {
	if r.Key == nil {
		return nil
	}
	if r.Value == nil {
		return f.buf.Delete(r.Key)
	}
	return f.buf.Put(r.Key, r.Value, r.Timestamp)
}

var commands = state.KeyValue("kv", textSerde, textSerde)

// commander runs the commands in its records' values on a key-value store.
type commander struct{ kv *state.KV[text, text] }

func (s *commander) Init(c *processor.Context, _ *output) error {
	s.kv = commands.In(c)
	return nil
}

func dump(entries iter.Seq2[state.Entry[text, text], error]) (text, error) {
	var b strings.Builder
	for e, err := range entries {
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(&b, "%s=%s,", show(e.Key), show(e.Value))
	}
	return new(b.String()), nil
}

func (s *commander) Process(_ *processor.Context, r record, out *output) error {
	return answering(r, out, s.run)
}

func (s *commander) run(r record) (result text, answer bool, err error) {
	op, x, y := command(r.Value)
	switch op {
	case "put":
		return nil, false, s.kv.Put(r.Key, &x)
	case "pia":
		result, _, err = s.kv.PutIfAbsent(r.Key, &x)
	case "del":
		result, _, err = s.kv.Remove(r.Key)
	case "get":
		result, _, err = s.kv.Get(r.Key)
	case "all":
		result, err = dump(s.kv.All())
	case "rall":
		result, err = dump(s.kv.Backward())
	case "range":
		switch {
		case x == "-" && y == "-":
			result, err = dump(s.kv.All())
		case x == "-":
			result, err = dump(s.kv.To(&y))
		case y == "-":
			result, err = dump(s.kv.From(&x))
		default:
			result, err = dump(s.kv.Range(&x, &y))
		}
	case "prefix":
		result, err = dump(s.kv.Prefix(&x))
	case "count":
		var n int
		n, err = s.kv.Len()
		result = new("some")
		if n == 0 {
			result = new("zero")
		}
	}
	return result, true, err
}

func keyValueOps(p *plan) { single(p, func() *commander { return new(commander) }, commands) }
