package runtime

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/thalweg/thalweg/internal/task"
	"github.com/thalweg/thalweg/processor"
	"github.com/thalweg/thalweg/runtime/internal/fetch"
	"github.com/thalweg/thalweg/state"
)

// globals keeps the global stores of this process: one goroutine reads all
// partitions of their topics and is the only writer. Tasks read the engine.
//
// The stores are loaded from the beginning of the topics at every start, since
// a store-partition remembers a position in one partition, not in many.
type globals struct {
	app    *App
	task   *task.Task
	txn    *state.Txn
	plan   *plan // whose partitions are read
	reads  map[string]int32
	inputs []*input
	ends   []int64 // by input; -1 until known
	wake   chan struct{}
	loaded chan struct{} // closed when the ends known at the start are reached
}

// errGlobalForward: a global store's processor has no children.
var errGlobalForward = errors.New("runtime: the processor of a global store cannot forward or write to topics")

// noCollector is the collector of the global task.
type noCollector struct{}

func (noCollector) Send(string, int32, []byte, []byte, int64, processor.Headers) error {
	return processor.Fatal(errGlobalForward)
}

func (noCollector) PartitionsOf(string) (int32, error) {
	return 0, processor.Fatal(errGlobalForward)
}

// openGlobals opens the global stores, empty, and begins to read. It returns
// nil when the topology has none.
func (a *App) openGlobals() (*globals, error) {
	var subs []int
	for _, s := range a.topology.SubTopologies() {
		if s.Global {
			subs = append(subs, s.ID)
		}
	}
	if len(subs) == 0 {
		return nil, nil
	}
	g := &globals{app: a, txn: a.db.NewTxn(), reads: make(map[string]int32), wake: make(chan struct{}, 1), loaded: make(chan struct{})}
	t, err := task.New(task.Config{
		Context: a.ctx, Topology: a.topology, Subs: subs, ApplicationID: a.cfg.ApplicationID, ID: "global",
		State: g.txn, Collector: noCollector{}, OnFailure: a.cfg.OnError, MaxIdle: -1,
	})
	if err != nil {
		return nil, err
	}
	g.task = t
	for _, s := range t.Stores() {
		if err := s.Partition.Wipe(); err != nil {
			return nil, errors.Join(err, t.Close())
		}
	}
	if err := t.Init(0); err != nil {
		return nil, errors.Join(err, t.Close())
	}
	g.follow()
	return g, nil
}

// follow begins to read the partitions that are new in the plan.
func (g *globals) follow() {
	p := g.app.plan.Load()
	if p == g.plan {
		return
	}
	g.plan = p
	topics := slices.Sorted(slices.Values(p.globals))
	for _, topic := range slices.Compact(topics) {
		for part := g.reads[topic]; part < p.partitions[topic]; part++ {
			g.inputs = append(g.inputs, &input{topic: topic, begin: -1, cursor: g.app.fetcher.Add(topic, part, fetch.AtEarliest, fetch.Earliest, g.notify)})
			g.ends = append(g.ends, -1)
			g.reads[topic] = part + 1
		}
	}
}

func (g *globals) notify() { wakeUp(g.wake) }

// run applies what comes until ctx is done.
func (g *globals) run(ctx context.Context) (err error) {
	defer func() {
		for _, in := range g.inputs {
			g.app.fetcher.Remove(in.cursor)
			in.reader.decompressor.Close()
		}
		err = errors.Join(err, g.task.Close())
	}()
	loading := true
	for {
		busy, err := g.turn()
		if err != nil {
			return fmt.Errorf("runtime: global stores: %w", err)
		}
		if loading && g.complete() {
			loading = false
			close(g.loaded)
		}
		if busy {
			continue
		}
		select {
		case <-g.wake:
		case <-ctx.Done():
			return nil
		}
	}
}

// isLoaded reports whether the stores hold what there was at the start.
func (g *globals) isLoaded() bool {
	if g == nil {
		return false
	}
	select {
	case <-g.loaded:
		return true
	default:
		return false
	}
}

// complete reports whether all inputs were read to the ends seen first: those of
// what can be read. A transaction that somebody has open on a topic may stay so for
// long, and what is behind its beginning comes when it ends.
func (g *globals) complete() bool {
	for i, in := range g.inputs {
		st := in.cursor.Status()
		if g.ends[i] < 0 {
			g.ends[i] = readable(st, g.app.cfg.transactional())
		}
		// What is fetched but not taken is not applied.
		if g.ends[i] < 0 || st.Position < g.ends[i] || st.Buffered > 0 {
			return false
		}
	}
	return true
}

// turn applies what was fetched and makes it visible.
func (g *globals) turn() (busy bool, err error) {
	g.follow()
	for _, in := range g.inputs {
		chunks, err := in.take(g.app.cfg.transactional())
		if err != nil {
			return busy, err
		}
		for _, c := range chunks {
			busy = true
			if err := g.task.Enqueue(in.topic, in.reader.batch(in.cursor, c), 0); err != nil {
				return busy, err
			}
			for {
				more, err := g.task.Process(0)
				if err != nil {
					return busy, err
				}
				if !more {
					break
				}
			}
		}
		clear(in.chunks)
	}
	if !busy {
		return false, nil
	}
	if err := g.task.Flush(0); err != nil {
		return busy, err
	}
	g.task.Done()
	return busy, g.txn.Commit()
}

// global opens a global store for reading by the calling task.
func (a *App) global(name string) (any, bool) {
	declared, ok := a.topology.Store(name)
	if !ok || !declared.Global || a.db == nil {
		return nil, false
	}
	h, ok := declared.Handle.(state.Declared)
	if !ok {
		return nil, false
	}
	view, ok, err := a.db.View(a.db.Engine(), name, 0)
	if err != nil || !ok {
		return nil, false
	}
	s, err := h.Open(readEnv(view))
	return s, err == nil
}

// readEnv is the environment of a store that is only read.
func readEnv(p *state.Partition) state.Env {
	return state.Env{
		Partition: p, Record: func() state.Record { return state.Record{Partition: -1, Offset: -1} },
		SetRecord: func(state.Record) {}, Dropped: func(string) {},
	}
}
