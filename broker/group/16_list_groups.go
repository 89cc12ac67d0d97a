package group

import (
	"context"
	"slices"
	"strings"

	"github.com/thalweg/thalweg/broker/coord"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// ListGroups answers API key 16: the groups of the partitions led here.
//
//	v3 flexible   v4 states and a filter (KIP-518)   v5 types and a filter (KIP-848)
func (c *Coordinator) ListGroups(ctx context.Context, _ coord.Caller, req *kmsg.ListGroupsRequest) *kmsg.ListGroupsResponse {
	resp := req.ResponseKind().(*kmsg.ListGroupsResponse)
	for _, partition := range c.shards.All() {
		shard, err := c.shards.Get(partition)
		if err != nil {
			continue // resigned meanwhile
		}
		groups, err := shard.Do(ctx, func(m *Machine, s *coord.Step, p *coord.Promise[[]kmsg.ListGroupsResponseGroup]) {
			s.Reply(p, m.list(req.StatesFilter, req.TypesFilter))
		})
		if err != nil {
			resp.ErrorCode = coord.Code(err)
			continue
		}
		resp.Groups = append(resp.Groups, groups...)
	}
	return resp
}

func (m *Machine) list(states, types []string) (out []kmsg.ListGroupsResponseGroup) {
	match := func(filter []string, s string) bool {
		return len(filter) == 0 || slices.ContainsFunc(filter, func(f string) bool { return strings.EqualFold(f, s) })
	}
	if !match(types, "classic") {
		return nil
	}
	for _, g := range m.sortedGroups() {
		if !match(states, g.state.String()) {
			continue
		}
		x := kmsg.NewListGroupsResponseGroup()
		x.Group, x.ProtocolType, x.GroupState, x.GroupType = g.id, g.protocolType, g.state.String(), "classic"
		out = append(out, x)
	}
	return out
}
