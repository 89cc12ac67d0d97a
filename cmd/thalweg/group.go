package main

import (
	"context"
	"fmt"
	"io"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
)

type groupCmd struct {
	List     groupListCmd     `cmd:"" help:"List consumer groups."`
	Describe groupDescribeCmd `cmd:"" help:"Show a group's members, offsets and lag."`
	Delete   groupDeleteCmd   `cmd:"" help:"Delete groups without members, with their offsets."`
}

type groupListCmd struct{}

type groupRow struct {
	Name        string `json:"name"`
	State       string `json:"state"`
	Protocol    string `json:"protocol"`
	Coordinator int32  `json:"coordinator"`
}

func (c *groupListCmd) Run(e *env) error {
	return e.admin(func(ctx context.Context, adm *kadm.Client) error {
		groups, err := adm.ListGroups(ctx)
		if err != nil {
			return err
		}
		var rows []groupRow
		for _, g := range groups.Sorted() {
			rows = append(rows, groupRow{g.Group, g.State, g.ProtocolType, g.Coordinator})
		}
		return e.print(rows, func(w io.Writer) {
			row(w, "NAME", "STATE", "PROTOCOL", "COORDINATOR")
			for _, g := range rows {
				row(w, g.Name, g.State, g.Protocol, g.Coordinator)
			}
		})
	})
}

type groupDescribeCmd struct {
	Name string `arg:"" help:"Name of the group."`
}

type groupDescription struct {
	Name        string        `json:"name"`
	State       string        `json:"state"`
	Assignor    string        `json:"assignor"`
	Coordinator int32         `json:"coordinator"`
	Members     []groupMember `json:"members"`
	Offsets     []groupOffset `json:"offsets"`
	Lag         int64         `json:"lag"`
}

type groupMember struct {
	ID     string `json:"id"`
	Client string `json:"client"`
	Host   string `json:"host"`
}

type groupOffset struct {
	Topic     string `json:"topic"`
	Partition int32  `json:"partition"`
	Committed int64  `json:"committed"`
	End       int64  `json:"end"`
	Lag       int64  `json:"lag"`
	Member    string `json:"member,omitzero"`
}

func (c *groupDescribeCmd) Run(e *env) error {
	return e.admin(func(ctx context.Context, adm *kadm.Client) error {
		lags, err := adm.Lag(ctx, c.Name)
		if err != nil {
			return explain("group", c.Name, err)
		}
		g := lags[c.Name]
		if g.DescribeErr != nil {
			return explain("group", c.Name, g.DescribeErr)
		}
		if g.FetchErr != nil {
			return explain("group", c.Name, g.FetchErr)
		}
		if g.State == "Dead" { // what brokers before KIP-1043 answer for a group they do not know
			return explain("group", c.Name, kerr.GroupIDNotFound)
		}
		d := groupDescription{Name: c.Name, State: g.State, Assignor: g.Protocol, Coordinator: g.Coordinator.NodeID, Lag: g.Lag.Total()}
		for _, m := range g.Members {
			d.Members = append(d.Members, groupMember{m.MemberID, m.ClientID, m.ClientHost})
		}
		for _, l := range g.Lag.Sorted() {
			o := groupOffset{Topic: l.Topic, Partition: l.Partition, Committed: l.Commit.At, End: l.End.Offset, Lag: l.Lag}
			if !l.IsEmpty() {
				o.Member = l.Member.MemberID
			}
			d.Offsets = append(d.Offsets, o)
		}
		return e.print(d, func(w io.Writer) {
			fmt.Fprintf(w, "%s  %s, %d members, lag %d\n", d.Name, d.State, len(d.Members), d.Lag)
			row(w, "TOPIC", "PARTITION", "COMMITTED", "END", "LAG", "MEMBER")
			for _, o := range d.Offsets {
				row(w, o.Topic, o.Partition, o.Committed, o.End, o.Lag, o.Member)
			}
			for _, m := range d.Members {
				row(w, m.ID, m.Client, m.Host)
			}
		})
	})
}

type groupDeleteCmd struct {
	Names []string `arg:"" name:"name" help:"Names of the groups."`
}

func (c *groupDeleteCmd) Run(e *env) error {
	return e.admin(func(ctx context.Context, adm *kadm.Client) error {
		deleted, err := adm.DeleteGroups(ctx, c.Names...)
		if err != nil {
			return err
		}
		var d deletions
		for _, r := range deleted.Sorted() {
			d.add("group", r.Group, r.Err)
		}
		return d.print(e)
	})
}
