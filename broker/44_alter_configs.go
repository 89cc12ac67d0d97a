package broker

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/thalweg/thalweg/broker/meta"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// AlterConfigs (key 33) replaces all configurations of a resource,
// IncrementalAlterConfigs (key 44) changes some. Versions differ in encoding
// only.
//
// A resource's changes take effect together or not at all. Configurations of
// brokers and groups are stored and shown; nothing in this broker depends on
// them yet.

// change is what to do with one configuration.
type change struct {
	name  string
	op    kmsg.IncrementalAlterConfigOp
	value *string
}

func (b *Broker) alterConfigs(ctx context.Context, _ *call, req *kmsg.AlterConfigsRequest) *kmsg.AlterConfigsResponse {
	resp := req.ResponseKind().(*kmsg.AlterConfigsResponse)
	for i := range req.Resources {
		in := &req.Resources[i]
		var changes []change
		for _, c := range in.Configs {
			changes = append(changes, change{name: c.Name, op: kmsg.IncrementalAlterConfigOpSet, value: c.Value})
		}
		out := kmsg.NewAlterConfigsResponseResource()
		out.ResourceType, out.ResourceName = in.ResourceType, in.ResourceName
		out.ErrorCode, out.ErrorMessage = codeAndMessage(b.alter(ctx, in.ResourceType, in.ResourceName, changes, true, req.ValidateOnly))
		resp.Resources = append(resp.Resources, out)
	}
	return resp
}

func (b *Broker) incrementalAlterConfigs(ctx context.Context, _ *call, req *kmsg.IncrementalAlterConfigsRequest) *kmsg.IncrementalAlterConfigsResponse {
	resp := req.ResponseKind().(*kmsg.IncrementalAlterConfigsResponse)
	for i := range req.Resources {
		in := &req.Resources[i]
		var changes []change
		for _, c := range in.Configs {
			changes = append(changes, change{name: c.Name, op: c.Op, value: c.Value})
		}
		out := kmsg.NewIncrementalAlterConfigsResponseResource()
		out.ResourceType, out.ResourceName = in.ResourceType, in.ResourceName
		out.ErrorCode, out.ErrorMessage = codeAndMessage(b.alter(ctx, in.ResourceType, in.ResourceName, changes, false, req.ValidateOnly))
		resp.Resources = append(resp.Resources, out)
	}
	return resp
}

// alter applies changes to the configurations of a resource; with replace, all
// that are not mentioned are removed.
func (b *Broker) alter(ctx context.Context, kind kmsg.ConfigResourceType, name string, changes []change, replace, validateOnly bool) error {
	return b.meta.Update(ctx, func(img *meta.Image) ([]meta.Record, error) {
		resource, old, err := b.configsOf(img, kind, name)
		if err != nil {
			return nil, err
		}
		next := maps.Clone(old)
		if next == nil || replace {
			next = map[string]string{}
		}
		seen := map[string]bool{}
		for _, c := range changes {
			if seen[c.name] {
				return nil, fail(kerr.InvalidRequest, "Error due to duplicate config keys")
			}
			seen[c.name] = true
			if err := b.applyChange(next, resource, c); err != nil {
				return nil, err
			}
		}
		if validateOnly {
			return nil, nil
		}
		return configRecords(resource, name, old, next), nil
	})
}

// configsOf returns the stored configurations of a resource.
func (b *Broker) configsOf(img *meta.Image, kind kmsg.ConfigResourceType, name string) (meta.Resource, map[string]string, error) {
	switch kind {
	case kmsg.ConfigResourceTypeTopic:
		t := img.Topic(name)
		if t == nil {
			return "", nil, kerr.UnknownTopicOrPartition
		}
		return meta.TopicResource, t.Configs, nil
	case kmsg.ConfigResourceTypeBroker:
		if name != "" {
			if id, err := strconv.ParseInt(name, 10, 32); err != nil || img.Broker(int32(id)) == nil {
				return "", nil, fail(kerr.InvalidRequest, "No such broker: %q", name)
			}
		}
		return meta.BrokerResource, img.Configs(meta.BrokerResource, name), nil
	case kmsg.ConfigResourceTypeGroupConfig:
		if name == "" {
			return "", nil, fail(kerr.InvalidRequest, "Default group resources are not allowed.")
		}
		return meta.GroupResource, img.Configs(meta.GroupResource, name), nil
	}
	return "", nil, fail(kerr.InvalidRequest, "Configurations of resource type %d cannot be altered here.", kind)
}

func (b *Broker) applyChange(configs map[string]string, resource meta.Resource, c change) error {
	def := (*meta.ConfigDef)(nil)
	if resource == meta.TopicResource {
		if def = meta.FindTopicConfig(c.name); def == nil {
			return fail(kerr.InvalidConfig, "Unknown topic config name: %s", c.name)
		}
	}
	if c.op == kmsg.IncrementalAlterConfigOpDelete {
		delete(configs, c.name)
		return nil
	}
	if c.value == nil {
		return fail(kerr.InvalidConfig, "Null value not supported for : %s", c.name)
	}
	value := *c.value
	switch c.op {
	case kmsg.IncrementalAlterConfigOpSet:
	case kmsg.IncrementalAlterConfigOpAppend, kmsg.IncrementalAlterConfigOpSubtract:
		if def == nil || def.Type != meta.ListConfig {
			return fail(kerr.InvalidConfig, "Config value append and subtract are only allowed for list configs, not for %s", c.name)
		}
		current := meta.EffectiveConfigs(configs, b.cfg.TopicDefaults).String(c.name)
		value = mergeList(current, value, c.op == kmsg.IncrementalAlterConfigOpAppend)
	default:
		return fail(kerr.InvalidRequest, "Unknown operation %d on %s", c.op, c.name)
	}
	if def != nil {
		if err := meta.CheckTopicConfig(c.name, value); err != nil {
			return configFailure(c.name, err)
		}
	}
	configs[c.name] = value
	return nil
}

// mergeList adds the items of a list to another, or takes them away.
func mergeList(list, items string, add bool) string {
	have := meta.SplitList(list)
	for _, item := range meta.SplitList(items) {
		at := slices.Index(have, item)
		switch {
		case add && at < 0:
			have = append(have, item)
		case !add && at >= 0:
			have = slices.Delete(have, at, at+1)
		}
	}
	return strings.Join(have, ",")
}

func configRecords(resource meta.Resource, name string, old, next map[string]string) []meta.Record {
	var records []meta.Record
	put := func(key string, value *string) {
		records = append(records, meta.Record{Config: &meta.ConfigRecord{Resource: resource, Name: name, Key: key, Value: value}})
	}
	for _, key := range slices.Sorted(maps.Keys(old)) {
		if _, ok := next[key]; !ok {
			put(key, nil)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(next)) {
		if value := next[key]; old == nil || old[key] != value {
			put(key, &value)
		}
	}
	return records
}
