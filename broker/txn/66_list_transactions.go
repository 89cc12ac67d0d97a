package txn

import (
	"context"
	"regexp"
	"slices"
	"time"

	"github.com/thalweg/thalweg/broker/coord"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// ListTransactions answers API key 66: the ids of the partitions led here.
//
//	v0 flexible, filters for state and producer id   v1 minimum duration (KIP-994)
//	v2 pattern for the transactional id, RE2 (KIP-1152)
func (c *Coordinator) ListTransactions(ctx context.Context, _ coord.Caller, req *kmsg.ListTransactionsRequest) *kmsg.ListTransactionsResponse {
	resp := req.ResponseKind().(*kmsg.ListTransactionsResponse)
	f := filter{producers: req.ProducerIDFilters, longer: -1}
	for _, name := range req.StateFilters {
		st, ok := stateByName(name)
		if !ok {
			resp.UnknownStateFilters = append(resp.UnknownStateFilters, name)
			continue
		}
		f.states = append(f.states, st)
	}
	if len(req.StateFilters) > 0 && len(f.states) == 0 {
		return resp // only states that do not exist
	}
	if req.Version >= 1 && req.DurationFilterMillis >= 0 {
		f.longer = time.Duration(req.DurationFilterMillis) * time.Millisecond
	}
	if req.Version >= 2 && req.TransactionalIDPattern != nil && *req.TransactionalIDPattern != "" {
		re, err := regexp.Compile("^(?:" + *req.TransactionalIDPattern + ")$")
		if err != nil {
			resp.ErrorCode = kerr.InvalidRegularExpression.Code
			return resp
		}
		f.id = re
	}
	for _, partition := range c.shards.All() {
		shard, err := c.shards.Get(partition)
		if err != nil {
			continue // resigned meanwhile
		}
		states, err := shard.Do(ctx, func(m *Machine, s *coord.Step, p *coord.Promise[[]kmsg.ListTransactionsResponseTransactionState]) {
			s.Reply(p, m.list(s.Now, f))
		})
		if err != nil {
			resp.ErrorCode = coord.Code(err)
			resp.TransactionStates = nil
			return resp
		}
		resp.TransactionStates = append(resp.TransactionStates, states...)
	}
	return resp
}

type filter struct {
	states    []State
	producers []int64
	longer    time.Duration // −1: any
	id        *regexp.Regexp
}

func (m *Machine) list(now time.Time, f filter) (out []kmsg.ListTransactionsResponseTransactionState) {
	for _, id := range m.sorted() {
		t := m.txns[id]
		switch {
		case len(f.states) > 0 && !slices.Contains(f.states, t.state),
			len(f.producers) > 0 && !slices.Contains(f.producers, t.producerID),
			f.longer >= 0 && (t.started < 0 || now.Sub(time.UnixMilli(t.started)) <= f.longer),
			f.id != nil && !f.id.MatchString(id):
			continue
		}
		x := kmsg.NewListTransactionsResponseTransactionState()
		x.TransactionalID, x.ProducerID, x.TransactionState = id, t.producerID, t.state.String()
		out = append(out, x)
	}
	return out
}

func stateByName(name string) (State, bool) {
	for st := Empty; st <= PrepareEpochFence; st++ {
		if st.String() == name {
			return st, true
		}
	}
	return 0, false
}
