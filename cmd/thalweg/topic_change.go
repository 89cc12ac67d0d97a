package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"

	"github.com/twmb/franz-go/pkg/kadm"
)

type topicAlterCmd struct {
	Name       string            `arg:"" help:"Name of the topic."`
	Config     map[string]string `short:"c" placeholder:"KEY=VALUE" mapsep:"none" help:"A setting to change; KEY= sets it back to the default. Repeat for more."`
	Partitions int               `short:"p" help:"How many partitions the topic is to have: more than now. Keys may belong to other partitions then."`
}

func (c *topicAlterCmd) Run(e *env) error {
	if len(c.Config) == 0 && c.Partitions == 0 {
		return &exitError{exitUsage, errors.New("nothing to change: give --config or --partitions")}
	}
	return e.admin(func(ctx context.Context, adm *kadm.Client) error {
		t, err := topicOf(ctx, adm, c.Name)
		if err != nil {
			return err
		}
		if len(c.Config) > 0 {
			if err := c.configure(ctx, adm); err != nil {
				return err
			}
		}
		if c.Partitions > 0 {
			if err := c.grow(ctx, adm, len(t.Partitions)); err != nil {
				return err
			}
		}
		return e.print(map[string]string{"changed": c.Name}, func(w io.Writer) { fmt.Fprintf(w, "changed %s\n", c.Name) })
	})
}

func (c *topicAlterCmd) configure(ctx context.Context, adm *kadm.Client) error {
	var changes []kadm.AlterConfig
	for _, k := range slices.Sorted(maps.Keys(c.Config)) {
		change := kadm.AlterConfig{Op: kadm.SetConfig, Name: k, Value: new(c.Config[k])}
		if c.Config[k] == "" {
			change.Op, change.Value = kadm.DeleteConfig, nil
		}
		changes = append(changes, change)
	}
	answers, err := adm.AlterTopicConfigs(ctx, changes, c.Name)
	if err != nil {
		return err
	}
	for _, r := range answers {
		if r.Err != nil && r.ErrMessage != "" {
			return explain("topic", c.Name, fmt.Errorf("%w: %s", r.Err, r.ErrMessage))
		}
		if r.Err != nil {
			return explain("topic", c.Name, r.Err)
		}
	}
	return nil
}

func (c *topicAlterCmd) grow(ctx context.Context, adm *kadm.Client, now int) error {
	if c.Partitions <= now {
		return &exitError{exitUsage, fmt.Errorf("topic %q has %d partitions: it can only get more, not %d", c.Name, now, c.Partitions)}
	}
	answers, err := adm.UpdatePartitions(ctx, c.Partitions, c.Name)
	if err != nil {
		return err
	}
	return explain("topic", c.Name, answers[c.Name].Err)
}

type topicTrimCmd struct {
	Name      string `arg:"" help:"Name of the topic."`
	Partition int32  `short:"p" default:"-1" help:"Partition; -1 is all of them."`
	Before    string `default:"end" help:"Offset from which records are kept; end deletes all there are."`
}

func (c *topicTrimCmd) Run(e *env) error {
	before, err := int64(-1), error(nil)
	if c.Before != "end" {
		if before, err = strconv.ParseInt(c.Before, 10, 64); err != nil || before < 0 {
			return &exitError{exitUsage, fmt.Errorf("--before %q: want an offset or end", c.Before)}
		}
	}
	return e.admin(func(ctx context.Context, adm *kadm.Client) error {
		t, err := topicOf(ctx, adm, c.Name)
		if err != nil {
			return err
		}
		if _, ok := t.Partitions[c.Partition]; !ok && c.Partition >= 0 {
			return &exitError{exitUsage, fmt.Errorf("topic %q has partitions 0 to %d, not %d", c.Name, len(t.Partitions)-1, c.Partition)}
		}
		offsets := kadm.Offsets{}
		for p := range t.Partitions {
			if c.Partition < 0 || p == c.Partition {
				offsets.AddOffset(c.Name, p, before, -1)
			}
		}
		trimmed, err := adm.DeleteRecords(ctx, offsets)
		if err != nil {
			return err
		}
		starts := map[int32]int64{}
		for _, r := range trimmed.Sorted() {
			if r.Err != nil {
				return fmt.Errorf("partition %d: %w", r.Partition, explain("topic", c.Name, r.Err))
			}
			starts[r.Partition] = r.LowWatermark
		}
		return e.print(starts, func(w io.Writer) {
			row(w, "PARTITION", "START")
			for _, p := range slices.Sorted(maps.Keys(starts)) {
				row(w, p, starts[p])
			}
		})
	})
}
