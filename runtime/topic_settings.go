package runtime

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// danger is a setting by which brokers delete from an internal topic what the
// application still needs.
type danger struct {
	option, value string
	loses         string
	remedy        string
}

// dangers finds them in the settings that a topic has. Brokers compare the times
// of records, which are those of the events, with their own clock, so a topic
// that keeps seven days keeps nothing of last year.
func (t internalTopic) dangers(settings map[string]string) (found []danger) {
	policy := strings.Split(strings.ReplaceAll(settings["cleanup.policy"], " ", ""), ",")
	never := "set it to -1 for this topic (thalweg topic alter, or kafka-configs); the application deletes what it needs no longer"
	if slices.Contains(policy, "delete") {
		if v, known := settings["retention.ms"]; known && v != "-1" {
			found = append(found, danger{"retention.ms", v, "records whose time is longer ago than that, read or not", never})
		}
		if v, known := settings["retention.bytes"]; known && v != "-1" {
			found = append(found, danger{"retention.bytes", v, "the oldest records, read or not", never})
		}
	}
	if slices.Contains(policy, "compact") && t.versions {
		found = append(found, danger{
			"cleanup.policy", settings["cleanup.policy"], "all versions of a key but the last, as soon as their time is longer ago than min.compaction.lag.ms",
			"set it to delete for this topic, with retention.ms=-1 (thalweg topic alter, or kafka-configs); the application deletes what it needs no longer",
		})
	}
	return found
}

// settingsCheck warns, once for each internal topic, of settings by which state is
// lost: of topics that others made or changed, that older versions made, or that
// Config.InternalTopics and a store's LogConfig ask for.
type settingsCheck struct {
	mu   sync.Mutex
	seen map[string]bool
}

func (s *settingsCheck) check(ctx context.Context, client *kgo.Client, topics []internalTopic, logger *slog.Logger) {
	s.mu.Lock()
	defer s.mu.Unlock()
	topics = slices.DeleteFunc(slices.Clone(topics), func(t internalTopic) bool { return s.seen[t.name] })
	settings, err := topicSettings(ctx, client, topics)
	if err != nil {
		if ctx.Err() == nil {
			logger.Info("settings of internal topics could not be checked", "err", err)
		}
		return
	}
	if s.seen == nil {
		s.seen = make(map[string]bool)
	}
	for _, t := range topics {
		s.seen[t.name] = true
		for _, d := range t.dangers(settings[t.name]) {
			logger.Warn("a setting of an internal topic lets the brokers delete state", "topic", t.name,
				"option", d.option, "value", d.value, "loses", d.loses, "remedy", d.remedy)
		}
	}
}

// topicSettings asks for the settings of topics that decide what is deleted.
func topicSettings(ctx context.Context, client *kgo.Client, topics []internalTopic) (map[string]map[string]string, error) {
	if len(topics) == 0 {
		return nil, nil
	}
	req := kmsg.NewPtrDescribeConfigsRequest()
	for _, t := range topics {
		r := kmsg.NewDescribeConfigsRequestResource()
		r.ResourceType, r.ResourceName = kmsg.ConfigResourceTypeTopic, t.name
		r.ConfigNames = []string{"cleanup.policy", "retention.ms", "retention.bytes"}
		req.Resources = append(req.Resources, r)
	}
	resp, err := req.RequestWith(ctx, client)
	if err != nil {
		return nil, err
	}
	settings := make(map[string]map[string]string)
	for _, r := range resp.Resources {
		if err := kerr.ErrorForCode(r.ErrorCode); err != nil {
			return settings, err
		}
		settings[r.ResourceName] = make(map[string]string)
		for _, c := range r.Configs {
			if c.Value != nil {
				settings[r.ResourceName][c.Name] = *c.Value
			}
		}
	}
	return settings, nil
}
