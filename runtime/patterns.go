package runtime

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/thalweg/thalweg/runtime/internal/assign"
	"github.com/thalweg/thalweg/runtime/internal/produce"
)

// Topics that match a pattern come and go while the application runs. The
// leader of the group looks for them now and then. When there are others than in
// the plan it begins a new generation, with a new plan, and tells all members
// which topics it saw, so that each of them reads the same ones. A task whose
// inputs change is committed, closed and opened again.

// matching returns the topics that match the topology's patterns, by name.
func (a *App) matching(ctx context.Context) ([]assign.Topic, error) {
	if !a.topology.Patterned() {
		return nil, nil
	}
	all, err := a.meta.All(ctx)
	if err != nil {
		return nil, err
	}
	var found []assign.Topic
	for name, t := range all {
		if _, ok, err := a.topology.Matches(a.cfg.ApplicationID, name); err != nil {
			return nil, err
		} else if ok && len(t.Leaders) > 0 {
			found = append(found, assign.Topic{Name: name, Partitions: int32(len(t.Leaders))})
		}
	}
	slices.SortFunc(found, func(x, y assign.Topic) int { return cmp.Compare(x.Name, y.Name) })
	return found, nil
}

// watchTopics asks for a new generation whenever the topics that match are
// others than those of the plan, until ctx is done.
func (a *App) watchTopics(ctx context.Context, m *membership, rejoin func()) {
	tick := time.NewTicker(a.cfg.PatternInterval)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		if !m.leading() {
			continue
		}
		found, err := a.matching(ctx)
		if err != nil && (kerr.IsRetriable(err) || produce.Unreachable(err)) {
			a.logger.Warn("looking for topics that match the patterns of the topology", "err", err)
			continue
		}
		// An error that stays is for the next generation to report.
		if err != nil || !slices.Equal(found, a.plan.Load().matched) {
			a.logger.Info("other topics match the patterns of the topology", "topics", len(found))
			rejoin()
		}
	}
}

// leading reports whether this member planned the generation that it runs.
func (m *membership) leading() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.leads
}

// replan is the leader's: the plan over the topics as they are now.
func (m *membership) replan(ctx context.Context) (p *plan, err error) {
	var matched []assign.Topic
	err = again(ctx, m.app.logger, "the brokers to list topics", func() (err error) {
		matched, err = m.app.matching(ctx)
		return err
	})
	if err != nil {
		return nil, err
	}
	if p, err = m.adopt(ctx, matched); err != nil {
		return nil, err
	}
	m.mu.Lock()
	m.balanced = true
	m.mu.Unlock()
	return p, nil
}

// adopt returns the plan over the topics that the leader saw.
func (m *membership) adopt(ctx context.Context, matched []assign.Topic) (p *plan, err error) {
	if p = m.app.plan.Load(); slices.Equal(matched, p.matched) {
		return p, nil
	}
	return m.app.lay(ctx, matched)
}
