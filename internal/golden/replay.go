package golden

import (
	"fmt"
	"time"

	"github.com/thalweg/thalweg/processor"
	"github.com/thalweg/thalweg/testdriver"
	"github.com/thalweg/thalweg/topology"
)

// Result is what came of replaying a case.
type Result struct {
	Outputs  []Output         // to topics that are not internal
	Internal []Output         // to changelogs and repartition topics, as bytes
	Failed   int              // the step that failed, -1 for none
	Err      error            // why
	Dropped  int64            // the sum over all reasons
	Stores   map[string]Store // visible content, by our names
}

// application is the id under which the recordings were made.
const application = "golden"

// failure is how the driver's Fatalf leaves a step.
type failure struct{ error }

// host is the driver's test: it turns failures into errors.
type host struct {
	err     error
	cleanup []func()
}

func (h *host) Helper() {}
func (h *host) Errorf(format string, args ...any) {
	if h.err == nil {
		h.err = fmt.Errorf(format, args...)
	}
}
func (h *host) Fatalf(format string, args ...any) { panic(failure{fmt.Errorf(format, args...)}) }
func (h *host) Cleanup(f func())                  { h.cleanup = append(h.cleanup, f) }

// try calls f and returns what Fatalf was called with.
func (h *host) try(f func()) (err error) {
	defer func() {
		switch p := recover().(type) {
		case nil:
		case failure:
			err = p.error
		default:
			panic(p)
		}
	}()
	f()
	return nil
}

// Replay runs a case. The error says that it could not be run at all; a
// failing step is part of the result.
func Replay(c Case, t *topology.Topology, opts ...testdriver.Option) (*Result, error) {
	h := new(host)
	r := &Result{Failed: -1}
	var d *testdriver.Driver
	if err := h.try(func() { d = testdriver.New(h, t, append(options(c), opts...)...) }); err != nil {
		return nil, err
	}
	defer func() {
		for _, f := range h.cleanup {
			f()
		}
	}()
	seen := 0
	for i, s := range c.Steps {
		err := h.try(func() { s.run(d) })
		records := d.Records()
		for _, raw := range records[seen:] {
			r.add(c, t, i, raw)
		}
		seen = len(records)
		if err != nil {
			r.Failed, r.Err = i, err
			return r, nil
		}
	}
	for _, n := range d.Dropped() {
		r.Dropped += n
	}
	var err error
	r.Stores, err = readStores(c, t, d)
	return r, err
}

func options(c Case) []testdriver.Option {
	opts := []testdriver.Option{
		testdriver.StartAt(time.UnixMilli(c.WallClockStart)),
		testdriver.ApplicationID(application),
	}
	if c.Commit == "manual" {
		opts = append(opts, testdriver.ManualCommit())
	}
	if n, ok := c.Config["max.task.idle.ms"].(float64); ok {
		opts = append(opts, testdriver.MaxIdle(time.Duration(n)*time.Millisecond))
	}
	dlq, _ := c.Config["errors.dead.letter.queue.topic.name"].(string)
	if dlq != "" {
		opts = append(opts, testdriver.DeadLetters(dlq))
	}
	resume := processor.Skip
	if dlq != "" {
		resume = processor.DeadLetter
	}
	_, decode := c.Config["deserialization.exception.handler"]
	_, process := c.Config["processing.exception.handler"]
	opts = append(opts, testdriver.OnFailure(func(_ *processor.Context, f *processor.Failure) processor.Action {
		switch {
		case f.Stage == processor.StageDecode && decode,
			(f.Stage == processor.StageProcess || f.Stage == processor.StagePunctuate) && process:
			return resume
		case f.Stage == processor.StageEncode && c.ID == "error-production-continue":
			return processor.Skip // its handler is not among the settings
		}
		return processor.Fail
	}))
	return opts
}

func (s Step) run(d *testdriver.Driver) {
	switch s.Op {
	case "pipe", "enqueue":
		key, err := encode(s.Key)
		if err != nil {
			panic(failure{err})
		}
		value, err := encode(s.Value)
		if err != nil {
			panic(failure{err})
		}
		r := processor.RawRecord{Topic: s.Topic, Key: key, Value: value, Timestamp: s.TS, Headers: headersOf(s.Headers)}
		if s.Op == "pipe" {
			d.SendRaw(r)
		} else {
			d.QueueRaw(r)
		}
	case "run":
		d.Run()
	case "advance":
		d.Advance(time.Duration(s.Ms) * time.Millisecond)
	case "commit":
		d.Commit()
	default:
		panic(failure{fmt.Errorf("golden: unknown step %q", s.Op)})
	}
}

// add sorts a record that the topology sent into the result.
func (r *Result) add(c Case, t *topology.Topology, step int, raw processor.RawRecord) {
	o := Output{Step: step, Topic: raw.Topic, TS: raw.Timestamp}
	for _, h := range raw.Headers {
		x := Header{Name: h.Key}
		if h.Value != nil {
			x.Value = new(string(h.Value))
		}
		o.Headers = append(o.Headers, x)
	}
	if isInternal(t, raw.Topic) {
		o.Key, o.Value = decode("hex", raw.Key), decode("hex", raw.Value)
		r.Internal = append(r.Internal, o)
		return
	}
	types, ok := c.OutputTopics[raw.Topic]
	if !ok {
		types = [2]string{"string", "string"}
	}
	o.Key, o.Value = decode(types[0], raw.Key), decode(types[1], raw.Value)
	r.Outputs = append(r.Outputs, o)
}

func isInternal(t *topology.Topology, topic string) bool {
	return len(topic) > len(application) && topic[:len(application)+1] == application+"-"
}
