package group

import (
	"context"
	"fmt"

	"github.com/thalweg/thalweg/broker/coord"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// DescribeGroups answers API key 15.
//
//	v3 authorized operations   v4 static members   v5 flexible
//	v6 GROUP_ID_NOT_FOUND instead of a dead group
func (c *Coordinator) DescribeGroups(ctx context.Context, _ coord.Caller, req *kmsg.DescribeGroupsRequest) *kmsg.DescribeGroupsResponse {
	resp := req.ResponseKind().(*kmsg.DescribeGroupsResponse)
	for _, id := range req.Groups {
		g, err := do(ctx, c, id, func(m *Machine, s *coord.Step, p *coord.Promise[kmsg.DescribeGroupsResponseGroup]) {
			s.Reply(p, m.describe(id, req.Version))
		})
		if err != nil {
			g = kmsg.NewDescribeGroupsResponseGroup()
			g.Group, g.ErrorCode = id, coord.Code(err)
		}
		resp.Groups = append(resp.Groups, g)
	}
	return resp
}

func (m *Machine) describe(id string, version int16) kmsg.DescribeGroupsResponseGroup {
	d := kmsg.NewDescribeGroupsResponseGroup()
	d.Group = id
	g := m.groups[id]
	if g == nil {
		d.State = Dead.String()
		if version >= 6 {
			d.ErrorCode = kerr.GroupIDNotFound.Code
			d.ErrorMessage = kmsg.StringPtr(fmt.Sprintf("group %q does not exist", id))
		}
		return d
	}
	d.State, d.ProtocolType = g.state.String(), g.protocolType
	if g.state == Stable {
		d.Protocol = g.protocol
	}
	for _, mb := range g.members {
		x := kmsg.NewDescribeGroupsResponseGroupMember()
		x.MemberID, x.InstanceID, x.ClientID, x.ClientHost = mb.id, mb.instance, mb.clientID, mb.host
		x.ProtocolMetadata, x.MemberAssignment = []byte{}, []byte{}
		if g.state == Stable {
			x.ProtocolMetadata = mb.metadata(g.protocol)
			if mb.assignment != nil {
				x.MemberAssignment = mb.assignment
			}
		}
		d.Members = append(d.Members, x)
	}
	return d
}
