package runtime

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/thalweg/thalweg/runtime/internal/cluster"
)

// appearTimeout is how long a topic that was created may take to have leaders.
const appearTimeout = time.Minute

// ensureTopics makes the internal topics that are missing and checks those that
// are there. Several processes may do it at the same time.
func ensureTopics(ctx context.Context, client *kgo.Client, meta *cluster.Cluster, topics []internalTopic, cfg Config) error {
	began := time.Now()
	for attempt := 0; len(topics) > 0; attempt++ {
		missing, err := missingTopics(ctx, meta, topics)
		if err != nil {
			return err
		}
		if len(missing) == 0 {
			return nil
		}
		if attempt == 0 || attempt%20 == 0 {
			if err := createTopics(ctx, client, missing, cfg); err != nil {
				return err
			}
		}
		if time.Since(began) > appearTimeout {
			return fmt.Errorf("runtime: internal topic %s was created and has no leader after %v: look at the brokers", missing[0].name, appearTimeout)
		}
		// Metadata follows creation after a moment.
		select {
		case <-time.After(25 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// missingTopics returns the internal topics that are not there, or have no
// leader yet. An error names all that have another number of partitions than they
// need.
func missingTopics(ctx context.Context, meta *cluster.Cluster, topics []internalTopic) (missing []internalTopic, err error) {
	names := make([]string, len(topics))
	for i, t := range topics {
		names[i] = t.name
	}
	found, err := meta.Topics(ctx, names...)
	if err != nil {
		return nil, err
	}
	var errs []error
	for _, t := range topics {
		ct, ok := found[t.name]
		switch {
		case !ok || slices.Contains(ct.Leaders, -1):
			missing = append(missing, t)
		case int32(len(ct.Leaders)) != t.partitions:
			errs = append(errs, &PartitionsError{Topic: t.name, Has: len(ct.Leaders), Needs: int(t.partitions), Inputs: t.inputs})
		}
	}
	return missing, errors.Join(errs...)
}

func createTopics(ctx context.Context, client *kgo.Client, topics []internalTopic, cfg Config) error {
	req := kmsg.NewPtrCreateTopicsRequest()
	req.TimeoutMillis = 10_000
	for _, t := range topics {
		rt := kmsg.NewCreateTopicsRequestTopic()
		rt.Topic, rt.NumPartitions, rt.ReplicationFactor = t.name, t.partitions, cfg.ReplicationFactor
		config := maps.Clone(t.config)
		for k, v := range cfg.InternalTopics {
			if _, set := config[k]; !set || k != "cleanup.policy" {
				config[k] = v
			}
		}
		for _, k := range slices.Sorted(maps.Keys(config)) {
			c := kmsg.NewCreateTopicsRequestTopicConfig()
			c.Name, c.Value = k, kmsg.StringPtr(config[k])
			rt.Configs = append(rt.Configs, c)
		}
		req.Topics = append(req.Topics, rt)
	}
	resp, err := req.RequestWith(ctx, client)
	if err != nil {
		return fmt.Errorf("runtime: creating internal topics: %w", err)
	}
	var errs []error
	for _, t := range resp.Topics {
		switch err := kerr.ErrorForCode(t.ErrorCode); err {
		case nil:
			cfg.Logger.Info("created internal topic", "topic", t.Topic)
		case kerr.TopicAlreadyExists, kerr.RequestTimedOut, kerr.NotController:
		default:
			msg := ""
			if t.ErrorMessage != nil {
				msg = " (" + *t.ErrorMessage + ")"
			}
			errs = append(errs, fmt.Errorf("runtime: creating internal topic %s: %w%s", t.Topic, err, msg))
		}
	}
	return errors.Join(errs...)
}
