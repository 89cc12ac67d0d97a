package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

type consumeCmd struct {
	Topic       string  `arg:"" help:"Topic to read."`
	From        string  `default:"beginning" help:"Where to begin: beginning, end, an offset, --from=-N for the last N of each partition, or a time such as 2026-01-02T15:04:05Z."`
	Partitions  []int32 `short:"p" name:"partition" help:"Partitions to read. All if left out."`
	Group       string  `short:"g" xor:"group" help:"Read as a member of this consumer group and commit; --from counts where the group has no offset."`
	Count       int64   `short:"n" help:"Stop after this many records."`
	Exit        bool    `short:"e" help:"Stop at what was the end when the command began."`
	Uncommitted bool    `help:"Show records of open and aborted transactions too."`
	Format      string  `short:"f" placeholder:"LAYOUT" help:"Layout of a record: %t topic, %p partition, %o offset, %k key, %v value, %d time, %h{%k=%v} headers; %v{hex}, %v{base64}, %v{unpack[>q]} for a number of 8 bytes; \\n, \\t. Left out: key, tab, value, null as (null). -o json prints one object a line."`
}

func (c *consumeCmd) Run(e *env) error {
	layout, err := c.layout()
	if err != nil {
		return err
	}
	from, err := parseFrom(c.From)
	if err != nil {
		return &exitError{exitUsage, err}
	}
	if c.Group != "" && len(c.Partitions) > 0 {
		return &exitError{exitUsage, errors.New("--group and --partition exclude each other: a group shares the partitions out itself")}
	}
	left, err := c.remaining(e, from)
	if err != nil {
		return err
	}
	if c.Exit && left.done() {
		return nil
	}
	cl, err := e.dial(c.options(from, left)...)
	if err != nil {
		return err
	}
	defer cl.Close()

	out := bufio.NewWriter(e.out)
	defer out.Flush()
	var line []byte
	for n := int64(0); ; {
		fetches := cl.PollFetches(e)
		if err := fetches.Err0(); err != nil {
			return errors.Join(err, c.commit(e, cl))
		}
		for _, f := range fetches.Errors() {
			return explain("topic", f.Topic, f.Err)
		}
		for r := range fetches.RecordsAll() {
			left.seen(r)
			if r.Attrs.IsControl() {
				continue
			}
			if e.json() {
				if err := writeJSON(out, recordOf(r)); err != nil {
					return err
				}
			} else {
				line = layout(line[:0], r)
				if _, err := out.Write(line); err != nil {
					return err
				}
			}
			if c.Group != "" {
				cl.MarkCommitRecords(r)
			}
			if n++; n == c.Count {
				return c.commit(e, cl)
			}
		}
		if err := out.Flush(); err != nil {
			return err
		}
		if c.Exit && left.done() {
			return c.commit(e, cl)
		}
	}
}

// layout returns the function that appends a record as text.
func (c *consumeCmd) layout() (func([]byte, *kgo.Record) []byte, error) {
	if c.Format == "" {
		return appendKeyed, nil
	}
	format, err := kgo.NewRecordFormatter(c.Format)
	if err != nil {
		return nil, &exitError{exitUsage, fmt.Errorf("layout %q: %w", c.Format, err)}
	}
	return format.AppendRecord, nil
}

// appendKeyed appends key, tab, value; only the value of a record without a key.
func appendKeyed(dst []byte, r *kgo.Record) []byte {
	if r.Key != nil {
		dst = append(append(dst, r.Key...), '\t')
	}
	if r.Value == nil {
		return append(dst, "(null)\n"...)
	}
	return append(append(dst, r.Value...), '\n')
}

// commit commits what was printed and no more, also when the user interrupted.
func (c *consumeCmd) commit(e *env, cl *kgo.Client) error {
	if c.Group == "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(e), e.cli.Timeout)
	defer cancel()
	return explain("group", c.Group, cl.CommitMarkedOffsets(ctx))
}

func (c *consumeCmd) options(from kgo.Offset, left *remaining) []kgo.Opt {
	opts := []kgo.Opt{kgo.KeepControlRecords(), kgo.FetchMaxWait(500 * time.Millisecond)}
	if !c.Uncommitted {
		opts = append(opts, kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	}
	if c.Group != "" {
		return append(opts, kgo.ConsumerGroup(c.Group), kgo.ConsumeTopics(c.Topic), kgo.ConsumeResetOffset(from),
			kgo.AutoCommitMarks(), kgo.AutoCommitInterval(time.Second))
	}
	parts := make(map[int32]kgo.Offset, len(left.all))
	for _, p := range left.all {
		parts[p] = from
	}
	return append(opts, kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{c.Topic: parts}))
}

// remaining knows which partitions have not yet been read to the end they had at the beginning.
type remaining struct {
	all  []int32
	ends map[int32]int64
}

func (l *remaining) done() bool { return len(l.ends) == 0 }

func (l *remaining) seen(r *kgo.Record) {
	if end, ok := l.ends[r.Partition]; ok && r.Offset+1 >= end {
		delete(l.ends, r.Partition)
	}
}

// remaining finds the partitions to read and, for --exit, where they end now.
func (c *consumeCmd) remaining(e *env, from kgo.Offset) (*remaining, error) {
	left := &remaining{ends: map[int32]int64{}}
	err := e.admin(func(ctx context.Context, adm *kadm.Client) error {
		t, err := topicOf(ctx, adm, c.Topic)
		if err != nil {
			return err
		}
		for _, p := range c.Partitions {
			if _, ok := t.Partitions[p]; !ok {
				return &exitError{exitUsage, fmt.Errorf("topic %q has partitions 0 to %d, not %d", c.Topic, len(t.Partitions)-1, p)}
			}
		}
		if left.all = c.Partitions; len(left.all) == 0 {
			left.all = t.Partitions.Numbers()
		}
		if !c.Exit {
			return nil
		}
		return c.ends(ctx, adm, left, from)
	})
	return left, err
}

func (c *consumeCmd) ends(ctx context.Context, adm *kadm.Client, left *remaining, from kgo.Offset) error {
	listEnds := adm.ListCommittedOffsets
	if c.Uncommitted {
		listEnds = adm.ListEndOffsets
	}
	ends, err := listEnds(ctx, c.Topic)
	if err != nil {
		return err
	}
	begins, err := c.begins(ctx, adm, from)
	if err != nil {
		return err
	}
	for _, p := range left.all {
		end, _ := ends.Lookup(c.Topic, p)
		if end.Err != nil {
			return explain("topic", c.Topic, end.Err)
		}
		if begins(p, end.Offset) < end.Offset {
			left.ends[p] = end.Offset
		}
	}
	return nil
}

// begins tells where reading of a partition that ends at end will begin.
func (c *consumeCmd) begins(ctx context.Context, adm *kadm.Client, from kgo.Offset) (func(p int32, end int64) int64, error) {
	starts, err := adm.ListStartOffsets(ctx, c.Topic)
	if err != nil {
		return nil, err
	}
	var committed kadm.OffsetResponses
	if c.Group != "" {
		if committed, err = adm.FetchOffsets(ctx, c.Group); err != nil {
			return nil, explain("group", c.Group, err)
		}
	}
	at := from.EpochOffset().Offset
	var byTime kadm.ListedOffsets
	if t, err := time.Parse(time.RFC3339, c.From); err == nil {
		if byTime, err = adm.ListOffsetsAfterMilli(ctx, t.UnixMilli(), c.Topic); err != nil {
			return nil, err
		}
	}
	return func(p int32, end int64) int64 {
		start, _ := starts.Lookup(c.Topic, p)
		if o, ok := committed.Lookup(c.Topic, p); ok && o.At >= 0 {
			return o.At
		}
		if o, ok := byTime.Lookup(c.Topic, p); ok {
			return o.Offset
		}
		n, err := strconv.ParseInt(c.From, 10, 64)
		switch {
		case c.From == "end":
			return end
		case err == nil && n < 0:
			return max(start.Offset, end+n)
		case err == nil:
			return max(start.Offset, at)
		}
		return start.Offset
	}, nil
}

func parseFrom(s string) (kgo.Offset, error) {
	o := kgo.NewOffset()
	switch s {
	case "beginning":
		return o.AtStart(), nil
	case "end":
		return o.AtEnd(), nil
	}
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		if n < 0 {
			return o.AtEnd().Relative(n), nil
		}
		return o.At(n), nil
	}
	if t, err := time.Parse(time.RFC3339, s); err == nil {
		return o.AfterMilli(t.UnixMilli()), nil
	}
	return o, fmt.Errorf("--from %q: want beginning, end, an offset, -N or a time such as 2026-01-02T15:04:05Z", s)
}
