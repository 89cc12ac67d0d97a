package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
)

type appCmd struct {
	Reset appResetCmd `cmd:"" help:"Make an application begin anew: delete its internal topics, and where it was."`
}

// appResetCmd undoes what an application has done for itself. Its outputs stay.
type appResetCmd struct {
	ID  string `arg:"" name:"application-id" help:"The application's id."`
	To  string `enum:"policy,earliest,latest" default:"policy" help:"Where its inputs are read from: by the reset policy of each source, from the beginning, or from now on."`
	Yes bool   `help:"Do it. Without, it is only told what would be done."`
}

type resetPlan struct {
	Application string   `json:"application"`
	Delete      []string `json:"delete"`
	Inputs      []string `json:"inputs"`
	To          string   `json:"to"`
	Done        bool     `json:"done"`
}

func (c *appResetCmd) Run(e *env) error {
	return e.admin(func(ctx context.Context, adm *kadm.Client) error {
		p, offsets, err := c.plan(ctx, adm)
		if err != nil {
			return err
		}
		if c.Yes {
			if err := c.carryOut(ctx, adm, p, offsets); err != nil {
				return err
			}
			p.Done = true
		}
		return e.print(p, func(w io.Writer) {
			verb := map[bool]string{false: "would be deleted", true: "deleted"}[p.Done]
			row(w, "TOPIC", "")
			for _, t := range p.Delete {
				row(w, t, verb)
			}
			for _, t := range p.Inputs {
				row(w, t, "read from: "+p.To)
			}
			if !p.Done {
				fmt.Fprintln(w, "Nothing was done. Add --yes to do it; local state of the stores goes by itself at the next start.")
			}
		})
	})
}

// plan finds the application's topics and inputs. The group must have no members.
func (c *appResetCmd) plan(ctx context.Context, adm *kadm.Client) (resetPlan, kadm.OffsetResponses, error) {
	p := resetPlan{Application: c.ID, To: c.To}
	groups, err := adm.DescribeGroups(ctx, c.ID)
	if err == nil {
		err = groups[c.ID].Err
	}
	if err != nil && !errors.Is(err, kerr.GroupIDNotFound) { // without a group there may still be topics
		return p, nil, explain("group", c.ID, err)
	}
	if n := len(groups[c.ID].Members); n > 0 {
		return p, nil, fmt.Errorf("application %q has %d running members: stop them first", c.ID, n)
	}
	offsets, err := adm.FetchOffsets(ctx, c.ID)
	if err != nil && !errors.Is(err, kerr.GroupIDNotFound) {
		return p, nil, explain("group", c.ID, err)
	}
	all, err := adm.ListGroups(ctx)
	if err != nil {
		return p, nil, err
	}
	topics, err := adm.ListTopics(ctx)
	if err != nil {
		return p, nil, err
	}
	for _, t := range topics.Sorted() {
		if owner(t.Topic, append(all.Groups(), c.ID)) == c.ID {
			p.Delete = append(p.Delete, t.Topic)
		}
	}
	for _, o := range offsets.Sorted() {
		if !slices.Contains(p.Inputs, o.Topic) && !slices.Contains(p.Delete, o.Topic) {
			p.Inputs = append(p.Inputs, o.Topic)
		}
	}
	if len(p.Delete)+len(p.Inputs) == 0 {
		return p, nil, &exitError{exitUnknown, fmt.Errorf("there is nothing of an application %q", c.ID)}
	}
	return p, offsets, nil
}

// internalSuffixes are how the names of applications' internal topics end.
var internalSuffixes = []string{"-changelog", "-repartition", "-subscription-registration-topic", "-subscription-response-topic"}

// owner is the application whose internal topic a topic is: that with the longest
// id that it begins with, since "shop-orders-x-changelog" may be one of "shop" or
// of "shop-orders". It is empty for other topics.
func owner(topic string, applications []string) (id string) {
	if !slices.ContainsFunc(internalSuffixes, func(s string) bool { return strings.HasSuffix(topic, s) }) {
		return ""
	}
	for _, a := range applications {
		if strings.HasPrefix(topic, a+"-") && len(a) > len(id) {
			id = a
		}
	}
	return id
}

// carryOut deletes the topics first: an application that is started in between
// finds its offsets with no state, and not state that it would count into again.
func (c *appResetCmd) carryOut(ctx context.Context, adm *kadm.Client, p resetPlan, old kadm.OffsetResponses) error {
	if len(p.Delete) > 0 {
		deleted, err := adm.DeleteTopics(ctx, p.Delete...)
		if err != nil {
			return err
		}
		for _, r := range deleted.Sorted() {
			if r.Err != nil {
				return explain("topic", r.Topic, r.Err)
			}
		}
	}
	if len(old) == 0 {
		return nil
	}
	deleted, err := adm.DeleteGroups(ctx, c.ID)
	if err != nil {
		return err
	}
	if err := deleted[c.ID].Err; err != nil {
		return explain("group", c.ID, err)
	}
	if c.To == "policy" || len(p.Inputs) == 0 {
		return nil
	}
	list := adm.ListStartOffsets
	if c.To == "latest" {
		list = adm.ListEndOffsets
	}
	at, err := list(ctx, p.Inputs...)
	if err != nil {
		return err
	}
	if err := at.Error(); err != nil {
		return err
	}
	committed, err := adm.CommitOffsets(ctx, c.ID, at.Offsets())
	if err != nil {
		return explain("group", c.ID, err)
	}
	return committed.Error()
}
