package golden

import (
	"fmt"
	"iter"
	"strings"

	"github.com/thalweg/thalweg/processor"
	"github.com/thalweg/thalweg/state"
)

// answering is the shape of the processors that run commands on a store: it
// forwards the result of those commands that have one.
func answering(r record, out *output, run func(record) (result text, answer bool, err error)) error {
	result, answer, err := run(r)
	if err != nil || !answer {
		return err
	}
	r.Value = new(show(result))
	return out.Forward(r)
}

// command splits a value like "put x".
func command(v text) (op, arg, arg2 string) {
	f := append(strings.Split(show(v), " "), "", "")
	return f[0], f[1], f[2]
}

func amount(s string) (n int64) {
	fmt.Sscan(s, &n)
	return n
}

var win = state.Window("win", textSerde, textSerde, ms(100), ms(10))

type windowCommander struct {
	win *state.WindowStore[text, text]
}

func (s *windowCommander) Init(c *processor.Context, _ *output) error {
	s.win = win.In(c)
	return nil
}

func (s *windowCommander) Process(_ *processor.Context, r record, out *output) error {
	return answering(r, out, s.run)
}

func (s *windowCommander) run(r record) (result text, answer bool, err error) {
	op, x, _ := command(r.Value)
	ts := r.Timestamp
	from := func(back int64) int64 { return max(0, ts-back) }
	switch op {
	case "put":
		return nil, false, s.win.Put(r.Key, ts, &x, ts)
	case "rm":
		return nil, false, s.win.Delete(r.Key, ts)
	case "get":
		result, _, _, err = s.win.Get(r.Key, ts)
	case "near":
		result, err = dumpWindows(s.win.Fetch(r.Key, from(20), ts+20), false)
	case "bnear":
		result, err = dumpWindows(s.win.FetchBackward(r.Key, from(20), ts+20), false)
	case "all":
		result, err = dumpWindows(s.win.All(), true)
	case "fall":
		result, err = dumpWindows(s.win.FetchAll(from(30), ts), true)
	case "krange":
		result, err = dumpWindows(s.win.FetchRange(new("a"), new("b"), from(30), ts+30), true)
	}
	return result, true, err
}

func dumpWindows(entries iter.Seq2[state.WindowEntry[text, text], error], keys bool) (text, error) {
	var b strings.Builder
	for e, err := range entries {
		if err != nil {
			return nil, err
		}
		if keys {
			fmt.Fprintf(&b, "%s@", show(e.Key))
		}
		fmt.Fprintf(&b, "%d:%s,", e.Start, show(e.Value))
	}
	return new(b.String()), nil
}

func windowOps(p *plan) { single(p, func() *windowCommander { return new(windowCommander) }, win) }

var ses = state.Session("ses", textSerde, textSerde, ms(100), state.InMemory())

type sessionCommander struct {
	ses *state.SessionStore[text, text]
}

func (s *sessionCommander) Init(c *processor.Context, _ *output) error {
	s.ses = ses.In(c)
	return nil
}

func (s *sessionCommander) Process(_ *processor.Context, r record, out *output) error {
	return answering(r, out, s.run)
}

func (s *sessionCommander) run(r record) (result text, answer bool, err error) {
	op, x, y := command(r.Value)
	ts := r.Timestamp
	switch op {
	case "put":
		return nil, false, s.ses.Put(r.Key, ts, ts+amount(y), &x)
	case "rm":
		return nil, false, s.ses.Delete(r.Key, ts, ts+amount(x))
	case "find":
		result, err = dumpSessions(s.ses.Find(r.Key, max(0, ts-15), ts+15))
	case "bfind":
		result, err = dumpSessions(s.ses.FindBackward(r.Key, max(0, ts-15), ts+15))
	case "fetch":
		result, err = dumpSessions(s.ses.Fetch(r.Key))
	case "get":
		result, _, err = s.ses.Get(r.Key, ts, ts+amount(x))
	}
	return result, true, err
}

func dumpSessions(entries iter.Seq2[state.SessionEntry[text, text], error]) (text, error) {
	var b strings.Builder
	for e, err := range entries {
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(&b, "%d-%d:%s,", e.Start, e.End, show(e.Value))
	}
	return new(b.String()), nil
}

func sessionOps(p *plan) { single(p, func() *sessionCommander { return new(sessionCommander) }, ses) }

var ver = state.Versioned("ver", textSerde, textSerde, ms(60))

type versionCommander struct {
	ver *state.VersionedStore[text, text]
}

func (s *versionCommander) Init(c *processor.Context, _ *output) error {
	s.ver = ver.In(c)
	return nil
}

func (s *versionCommander) Process(_ *processor.Context, r record, out *output) error {
	return answering(r, out, s.run)
}

func (s *versionCommander) run(r record) (result text, answer bool, err error) {
	op, x, _ := command(r.Value)
	var v text
	var at int64
	var ok bool
	switch op {
	case "put", "rm":
		value := &x
		if op == "rm" {
			value = nil
		}
		end, err := s.ver.Put(r.Key, value, r.Timestamp)
		switch end {
		case state.StillValid:
			return new("max"), true, err
		case state.NotPut:
			return new("no"), true, err
		}
		return new(num(end)), true, err
	case "del":
		v, at, ok, err = s.ver.Delete(r.Key, r.Timestamp)
	case "get":
		v, at, ok, err = s.ver.Get(r.Key)
	case "asof":
		v, at, ok, err = s.ver.GetAsOf(r.Key, r.Timestamp)
	}
	version := "null"
	if ok {
		version = show(v) + "@" + num(at)
	}
	if op == "del" {
		version = "d:" + version
	}
	return &version, true, err
}

func versionOps(p *plan) { single(p, func() *versionCommander { return new(versionCommander) }, ver) }
