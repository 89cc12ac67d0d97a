package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/thalweg/thalweg/examples/weather/pipeline"
)

// application is the pipeline's name: its consumer group, and the prefix of its internal topics.
const application = "weather"

// createTopics makes the four topics where they do not exist yet. Raw and airports have the same number of partitions,
// because they are joined. None of them forgets: a broker deletes by the records' own times, and these are of 2013.
func createTopics(ctx context.Context, cl *kgo.Client, partitions int32) error {
	compact := map[string]*string{"cleanup.policy": new("compact")}
	keep := map[string]*string{"retention.ms": new("-1"), "retention.bytes": new("-1")}
	adm := kadm.NewClient(cl)
	var names []string
	for _, t := range []struct {
		name    string
		configs map[string]*string
	}{
		{pipeline.Raw.Name, keep},
		{pipeline.Airports.Name, compact},
		{pipeline.Processed.Name, keep},
		{pipeline.Invalid.Name, keep},
	} {
		r, err := adm.CreateTopic(ctx, partitions, -1, t.configs, t.name)
		if err = errors.Join(err, r.Err); err != nil && !errors.Is(err, kerr.TopicAlreadyExists) {
			return fmt.Errorf("create topic %s: %w", t.name, err)
		}
		names = append(names, t.name)
	}
	return knownEverywhere(ctx, cl, names)
}

// knownEverywhere returns when each broker knows the topics. One learns of a new topic a little later than the one that
// was asked to create it, and may be the one that is asked next.
func knownEverywhere(ctx context.Context, cl *kgo.Client, names []string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("waited %v", patience))
	defer cancel()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for {
		err := unknown(ctx, cl, names)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", context.Cause(ctx), err)
		case <-again.C:
		}
	}
}

// unknown says which broker does not know which topic.
func unknown(ctx context.Context, cl *kgo.Client, names []string) error {
	brokers, err := kadm.NewClient(cl).ListBrokers(ctx)
	if err != nil {
		return err
	}
	req := kmsg.NewPtrMetadataRequest()
	for _, name := range names {
		topic := kmsg.NewMetadataRequestTopic()
		topic.Topic = kmsg.StringPtr(name)
		req.Topics = append(req.Topics, topic)
	}
	for _, b := range brokers {
		resp, err := req.RequestWith(ctx, cl.Broker(int(b.NodeID)))
		if err != nil {
			return fmt.Errorf("broker %d: %w", b.NodeID, err)
		}
		for _, t := range resp.Topics {
			if err := kerr.ErrorForCode(t.ErrorCode); err != nil {
				return fmt.Errorf("broker %d: topic %s: %w", b.NodeID, *t.Topic, err)
			}
		}
	}
	return nil
}

// committed is how far the application is: rows whose results are committed, of the rows in the raw topic. Outputs and
// offsets are committed together, so the results of that many rows can be read.
type committed struct{ rows, total int64 }

func (c committed) all() bool { return c.rows == c.total }

func readCommitted(ctx context.Context, adm *kadm.Client) (c committed, err error) {
	ends, err := adm.ListEndOffsets(ctx, pipeline.Raw.Name)
	if err == nil {
		err = ends.Error()
	}
	if err != nil {
		return c, fmt.Errorf("end of %s: %w", pipeline.Raw.Name, err)
	}
	ends.Each(func(o kadm.ListedOffset) { c.total += o.Offset })
	offsets, err := adm.FetchOffsetsForTopics(ctx, application, pipeline.Raw.Name)
	if kerr.IsRetriable(err) { // a new broker has no coordinator for the group yet
		return c, nil
	}
	if err == nil {
		err = offsets.Error()
	}
	if err != nil {
		return c, fmt.Errorf("offsets of %s: %w", application, err)
	}
	offsets.Each(func(o kadm.OffsetResponse) { c.rows += max(o.At, 0) })
	return c, nil
}

// waitCommitted returns when the application has committed all that the raw topic holds; every is how often it looks.
func waitCommitted(ctx context.Context, adm *kadm.Client, every time.Duration) error {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		c, err := readCommitted(ctx, adm)
		if err != nil {
			return err
		}
		if c.total > 0 && c.all() {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}
