package main

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kadm"
)

type topicCmd struct {
	Create   topicCreateCmd   `cmd:"" help:"Create a topic."`
	List     topicListCmd     `cmd:"" help:"List topics."`
	Describe topicDescribeCmd `cmd:"" help:"Show a topic's partitions and settings."`
	Alter    topicAlterCmd    `cmd:"" help:"Change a topic's settings, or give it more partitions."`
	Trim     topicTrimCmd     `cmd:"" help:"Delete the records of a topic before an offset."`
	Delete   topicDeleteCmd   `cmd:"" help:"Delete topics and their records."`
}

type topicCreateCmd struct {
	Name        string            `arg:"" help:"Name of the topic."`
	Partitions  int32             `short:"p" default:"-1" help:"Number of partitions; -1 leaves it to the broker."`
	Replication int16             `short:"r" default:"-1" help:"Copies of each partition; -1 leaves it to the broker."`
	Config      map[string]string `short:"c" placeholder:"KEY=VALUE" mapsep:"none" help:"A setting of the topic, such as cleanup.policy=compact. Repeat for more."`
	IfNotExists bool              `help:"Succeed when the topic exists already."`
}

func (c *topicCreateCmd) Run(e *env) error {
	return e.admin(func(ctx context.Context, adm *kadm.Client) error {
		configs := make(map[string]*string, len(c.Config))
		for k, v := range c.Config {
			configs[k] = &v
		}
		if c.IfNotExists {
			if t, err := topicOf(ctx, adm, c.Name); err == nil {
				return e.print(summary(t), func(w io.Writer) { fmt.Fprintf(w, "%s exists\n", c.Name) })
			}
		}
		r, err := adm.CreateTopic(ctx, c.Partitions, c.Replication, configs, c.Name)
		if err == nil {
			err = r.Err
		}
		if err != nil {
			if r.ErrMessage != "" {
				err = fmt.Errorf("%w: %s", err, r.ErrMessage)
			}
			return explain("topic", c.Name, err)
		}
		return e.print(topicSummary{c.Name, int(r.NumPartitions), int(r.ReplicationFactor), false}, func(w io.Writer) {
			fmt.Fprintf(w, "created %s\n", c.Name)
		})
	})
}

// topicSummary is a topic in one line.
type topicSummary struct {
	Name        string `json:"name"`
	Partitions  int    `json:"partitions"`
	Replication int    `json:"replication"`
	Internal    bool   `json:"internal,omitzero"`
}

func summary(t kadm.TopicDetail) topicSummary {
	return topicSummary{t.Topic, len(t.Partitions), t.Partitions.NumReplicas(), t.IsInternal}
}

type topicListCmd struct {
	Internal bool `help:"Include topics that the broker keeps for itself."`
}

func (c *topicListCmd) Run(e *env) error {
	return e.admin(func(ctx context.Context, adm *kadm.Client) error {
		list := adm.ListTopics
		if c.Internal {
			list = adm.ListTopicsWithInternal
		}
		topics, err := list(ctx)
		if err != nil {
			return err
		}
		var rows []topicSummary
		for _, t := range topics.Sorted() {
			if t.Err != nil {
				return explain("topic", t.Topic, t.Err)
			}
			rows = append(rows, summary(t))
		}
		return e.print(rows, func(w io.Writer) {
			row(w, "NAME", "PARTITIONS", "REPLICATION")
			for _, t := range rows {
				row(w, t.Name, t.Partitions, t.Replication)
			}
		})
	})
}

type topicDescribeCmd struct {
	Name string `arg:"" help:"Name of the topic."`
}

// topicDescription is a topic with all that a client can learn about it.
type topicDescription struct {
	topicSummary
	ID      string            `json:"id"`
	Parts   []partition       `json:"details"`
	Configs map[string]string `json:"configs"`
}

type partition struct {
	Partition int32   `json:"partition"`
	Leader    int32   `json:"leader"`
	Epoch     int32   `json:"epoch"`
	Replicas  []int32 `json:"replicas"`
	ISR       []int32 `json:"isr"`
	Start     int64   `json:"start"`
	End       int64   `json:"end"`
}

func (c *topicDescribeCmd) Run(e *env) error {
	return e.admin(func(ctx context.Context, adm *kadm.Client) error {
		t, err := topicOf(ctx, adm, c.Name)
		if err != nil {
			return err
		}
		starts, err := adm.ListStartOffsets(ctx, c.Name)
		if err != nil {
			return err
		}
		ends, err := adm.ListEndOffsets(ctx, c.Name)
		if err != nil {
			return err
		}
		d := topicDescription{topicSummary: summary(t), ID: base64.RawURLEncoding.EncodeToString(t.ID[:]), Configs: map[string]string{}}
		for _, p := range t.Partitions.Sorted() {
			start, _ := starts.Lookup(c.Name, p.Partition)
			end, _ := ends.Lookup(c.Name, p.Partition)
			if err := errors.Join(start.Err, end.Err); err != nil {
				return fmt.Errorf("partition %d: %w", p.Partition, explain("topic", c.Name, err))
			}
			d.Parts = append(d.Parts, partition{p.Partition, p.Leader, p.LeaderEpoch, p.Replicas, p.ISR, start.Offset, end.Offset})
		}
		configs, err := adm.DescribeTopicConfigs(ctx, c.Name)
		if err != nil {
			return err
		}
		for _, r := range configs {
			for _, v := range r.Configs {
				d.Configs[v.Key] = v.MaybeValue()
			}
		}
		return e.print(d, func(w io.Writer) {
			fmt.Fprintf(w, "%s  %d partitions, %d replicas, id %s\n", d.Name, d.Partitions, d.Replication, d.ID)
			row(w, "PARTITION", "LEADER", "EPOCH", "REPLICAS", "ISR", "START", "END")
			for _, p := range d.Parts {
				row(w, p.Partition, p.Leader, p.Epoch, ids(p.Replicas), ids(p.ISR), p.Start, p.End)
			}
			keys := make([]string, 0, len(d.Configs))
			for k := range d.Configs {
				keys = append(keys, k)
			}
			slices.Sort(keys)
			for _, k := range keys {
				fmt.Fprintf(w, "%s=%s\n", k, d.Configs[k])
			}
		})
	})
}

func ids(nodes []int32) string {
	return strings.Trim(strings.Join(strings.Fields(fmt.Sprint(nodes)), ","), "[]")
}

type topicDeleteCmd struct {
	Names []string `arg:"" name:"name" help:"Names of the topics."`
}

func (c *topicDeleteCmd) Run(e *env) error {
	return e.admin(func(ctx context.Context, adm *kadm.Client) error {
		deleted, err := adm.DeleteTopics(ctx, c.Names...)
		if err != nil {
			return err
		}
		var d deletions
		for _, r := range deleted.Sorted() {
			d.add("topic", r.Topic, r.Err)
		}
		return d.print(e)
	})
}
