package runtime

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"github.com/thalweg/thalweg/runtime/internal/assign"
	"github.com/thalweg/thalweg/runtime/internal/produce"
	"github.com/thalweg/thalweg/topology"
)

// The topics that an application reads change while it runs: those of a pattern
// come and go, a topic gets more partitions, is deleted or made anew. The leader
// of the group looks at them now and then, and for each generation. When they are
// others than in the plan it begins a new generation, with a new plan, and tells
// all members what it saw, so that each of them lays the same plan. A task whose
// inputs change is committed, closed and opened again.

// look asks the brokers for the topics that the topology reads, by name. It
// takes those known before, and returns the named ones that are gone too.
func (a *App) look(ctx context.Context, known []assign.Topic) (now []assign.Topic, gone []string, err error) {
	named := namedInputs(a.topology)
	found, err := a.meta.Topics(ctx, named...)
	if err != nil {
		return nil, nil, err
	}
	if a.topology.Patterned() {
		all, err := a.meta.All(ctx)
		if err != nil {
			return nil, nil, err
		}
		for name, t := range all {
			if _, ok, err := a.topology.Matches(a.cfg.ApplicationID, name); err != nil {
				return nil, nil, err
			} else if ok && len(t.Leaders) > 0 {
				found[name] = t
			}
		}
	}
	answered := make([]assign.Topic, 0, len(found))
	for name, t := range found {
		answered = append(answered, assign.Topic{Name: name, Partitions: int32(len(t.Leaders)), ID: t.ID})
	}
	now, gone = reconcile(known, answered, named)
	return now, gone, nil
}

// namedInputs are the topics that the topology reads by their names, sorted.
func namedInputs(t *topology.Topology) (names []string) {
	for _, s := range t.SubTopologies() {
		for _, topic := range s.SourceTopics {
			if !t.Internal(topic) {
				names = append(names, topic)
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// reconcile returns the topics there are, given those known before and those
// that a broker answered, and the named ones that it did not. A topic never has
// fewer partitions than it had: an answer that says so comes from a broker whose
// metadata are behind. A named topic that is gone stays as it was, since it may
// be made again, or the answer be behind.
func reconcile(known, answered []assign.Topic, named []string) (now []assign.Topic, gone []string) {
	before, there := byName(known), byName(answered)
	for _, name := range named {
		if _, ok := there[name]; ok {
			continue
		}
		gone = append(gone, name)
		if t, ok := before[name]; ok {
			there[name] = t
		}
	}
	for name, t := range there {
		if b, ok := before[name]; ok && b.ID == t.ID && t.ID != [16]byte{} {
			t.Partitions = max(t.Partitions, b.Partitions)
		}
		now = append(now, t)
	}
	slices.SortFunc(now, func(a, b assign.Topic) int { return cmp.Compare(a.Name, b.Name) })
	slices.Sort(gone)
	return now, gone
}

func byName(topics []assign.Topic) map[string]assign.Topic {
	m := make(map[string]assign.Topic, len(topics))
	for _, t := range topics {
		m[t.Name] = t
	}
	return m
}

// watchInputs asks for a new generation whenever the inputs are others than
// those of the plan, as long as this process leads the group, until ctx is done.
func (a *App) watchInputs(ctx context.Context, leads func() bool, rejoin func()) {
	tick := time.NewTicker(a.cfg.MetadataInterval)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		if !leads() {
			continue
		}
		known := a.plan.Load().inputs
		now, gone, err := a.look(ctx, known)
		if err != nil && produce.Passing(err) {
			a.logger.Warn("looking for changes of the source topics", "err", err)
			continue
		}
		a.warnGone(gone)
		// An error that stays is for the next generation to report.
		if err != nil || !slices.Equal(now, known) {
			rejoin()
		}
	}
}

func (a *App) warnGone(gone []string) {
	for _, topic := range gone {
		a.logger.Warn("source topic does not exist any more: its tasks wait until it is created again", "topic", topic)
	}
}

// replan is the leader's: the plan over the inputs as they are now.
func (a *App) replan(ctx context.Context) (*plan, error) {
	var inputs []assign.Topic
	var gone []string
	err := again(ctx, a.logger, "the brokers to tell the source topics", func() (err error) {
		inputs, gone, err = a.look(ctx, a.plan.Load().inputs)
		return err
	})
	if err != nil {
		return nil, err
	}
	a.warnGone(gone)
	p, err := a.lay(ctx, inputs)
	if err != nil {
		return nil, err
	}
	a.plan.Store(p)
	return p, nil
}

// firstInputs looks at the source topics for the first time. In a cluster a broker
// may be asked that has not heard of a topic which another has just created, so what
// is missing is asked for again for a moment.
func (a *App) firstInputs(ctx context.Context) (inputs []assign.Topic, err error) {
	began := time.Now()
	for {
		var missing []string
		err = again(ctx, a.logger, "the brokers to tell the source topics", func() (err error) {
			inputs, missing, err = a.look(ctx, nil)
			return err
		})
		if err != nil || len(missing) == 0 {
			return inputs, err
		}
		if time.Since(began) > topicsAppear {
			return nil, &MissingTopicsError{Topics: missing}
		}
		select {
		case <-time.After(5 * askPause):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// topicsAppear is how long source topics may be missing at the start.
const topicsAppear = 2 * time.Second

// firstPlan is the plan that a process begins with. Nothing is created for it:
// whether the group accepts the process is not known yet.
func (a *App) firstPlan(ctx context.Context) error {
	inputs, err := a.firstInputs(ctx)
	if err != nil {
		return err
	}
	p, err := newPlan(a.topology, a.cfg.ApplicationID, inputs)
	if err != nil {
		return err
	}
	if len(p.tasks) == 0 && !a.topology.Patterned() {
		return errNoTasks
	}
	err = again(ctx, a.logger, "the brokers to tell the internal topics", func() error {
		_, err := missingTopics(ctx, a.meta, p.internal)
		return err
	})
	a.plan.Store(p)
	return err
}

// lay returns the plan over the inputs, with all internal topics made.
func (a *App) lay(ctx context.Context, inputs []assign.Topic) (p *plan, err error) {
	if p = a.plan.Load(); !slices.Equal(p.inputs, inputs) {
		if p, err = newPlan(a.topology, a.cfg.ApplicationID, inputs); err != nil {
			return nil, err
		}
	}
	err = again(ctx, a.logger, "the brokers to make the internal topics", func() error {
		return ensureTopics(ctx, a.client, a.meta, p.internal, a.cfg)
	})
	if err != nil {
		return nil, err
	}
	a.settings.check(ctx, a.client, p.internal, a.logger)
	return p, nil
}

// adopt makes p the plan of this process, and tells what is different now.
func (a *App) adopt(before, p *plan) {
	a.plan.Store(p)
	if p == before {
		return
	}
	was := byName(before.inputs)
	for _, t := range p.inputs {
		b, known := was[t.Name]
		delete(was, t.Name)
		switch {
		case !known:
			a.logger.Info("source topic appeared", "topic", t.Name, "partitions", t.Partitions)
		case t.ID != b.ID || t.Partitions < b.Partitions:
			a.logger.Warn("source topic was deleted and created again: tasks begin where its new offsets say, and state that came from the old topic stays; reset the application if that is not what you want",
				"topic", t.Name, "partitions", t.Partitions, "before", b.Partitions)
		case t.Partitions > b.Partitions && p.keeps(t.Name):
			a.logger.Warn("source topic has more partitions: they become tasks, in which keys that were in another partition before find no state", "topic", t.Name, "partitions", t.Partitions, "before", b.Partitions)
		case t.Partitions > b.Partitions:
			a.logger.Info("source topic has more partitions: they become tasks", "topic", t.Name, "partitions", t.Partitions, "before", b.Partitions)
		}
	}
	for _, topic := range slices.Sorted(maps.Keys(was)) {
		a.logger.Info("source topic is gone", "topic", topic)
	}
	if g := a.globals.Load(); g != nil {
		g.notify()
	}
}
