package broker

import (
	"context"
	"slices"
	"strconv"

	"github.com/thalweg/thalweg/broker/meta"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// DescribeConfigs (key 32)
//
//	v1 sources and synonyms   v3 type and documentation   v4 flexible

func (b *Broker) describeConfigs(_ context.Context, _ *call, req *kmsg.DescribeConfigsRequest) *kmsg.DescribeConfigsResponse {
	resp := req.ResponseKind().(*kmsg.DescribeConfigsResponse)
	for i := range req.Resources {
		in := &req.Resources[i]
		out := kmsg.NewDescribeConfigsResponseResource()
		out.ResourceType, out.ResourceName = in.ResourceType, in.ResourceName
		configs, err := b.describeResource(in, req)
		out.ErrorCode, out.ErrorMessage = codeAndMessage(err)
		out.Configs = configs
		resp.Resources = append(resp.Resources, out)
	}
	return resp
}

func (b *Broker) describeResource(in *kmsg.DescribeConfigsRequestResource, req *kmsg.DescribeConfigsRequest) ([]kmsg.DescribeConfigsResponseResourceConfig, error) {
	img := b.meta.Image()
	switch in.ResourceType {
	case kmsg.ConfigResourceTypeTopic:
		t := img.Topic(in.ResourceName)
		if t == nil {
			return nil, kerr.UnknownTopicOrPartition
		}
		return b.describeTopic(t.Configs, in.ConfigNames, req.IncludeSynonyms, req.IncludeDocumentation), nil
	case kmsg.ConfigResourceTypeBroker:
		if in.ResourceName != "" {
			if id, err := strconv.ParseInt(in.ResourceName, 10, 32); err != nil || img.Broker(int32(id)) == nil {
				return nil, fail(kerr.InvalidRequest, "Unexpected broker id %q.", in.ResourceName)
			}
		}
		return b.describeBroker(in.ResourceName, in.ConfigNames), nil
	case kmsg.ConfigResourceTypeBrokerLogger, kmsg.ConfigResourceTypeClientMetrics:
		return nil, nil
	case kmsg.ConfigResourceTypeGroupConfig:
		return describeStored(img.Configs(meta.GroupResource, in.ResourceName), kmsg.ConfigSourceGroupConfig, in.ConfigNames), nil
	}
	return nil, kerr.InvalidRequest
}

// describeTopic lists all configurations of a topic with these overrides, or
// those in names.
func (b *Broker) describeTopic(overrides map[string]string, names []string, synonyms, docs bool) []kmsg.DescribeConfigsResponseResourceConfig {
	var out []kmsg.DescribeConfigsResponseResourceConfig
	for _, def := range meta.TopicConfigs() {
		if names != nil && !slices.Contains(names, def.Name) {
			continue
		}
		c := kmsg.NewDescribeConfigsResponseResourceConfig()
		c.Name, c.ConfigType = def.Name, kmsg.ConfigType(def.Type)
		value, source := def.Default, kmsg.ConfigSourceDefaultConfig
		if def.Broker != "" {
			c.ConfigSynonyms = append(c.ConfigSynonyms, synonym(def.Broker, value, source))
		}
		if v, ok := b.cfg.TopicDefaults[def.Name]; ok {
			value, source = v, kmsg.ConfigSourceStaticBrokerConfig
			c.ConfigSynonyms = slices.Insert(c.ConfigSynonyms, 0, synonym(def.Broker, value, source))
		}
		if v, ok := overrides[def.Name]; ok {
			value, source = v, kmsg.ConfigSourceDynamicTopicConfig
			c.ConfigSynonyms = slices.Insert(c.ConfigSynonyms, 0, synonym(def.Name, value, source))
		}
		c.Value, c.Source, c.IsDefault = &value, source, source == kmsg.ConfigSourceDefaultConfig
		if !synonyms {
			c.ConfigSynonyms = nil
		}
		if docs {
			c.Documentation = kmsg.StringPtr(def.Doc)
		}
		out = append(out, c)
	}
	return out
}

func synonym(name, value string, source kmsg.ConfigSource) kmsg.DescribeConfigsResponseResourceConfigConfigSynonym {
	s := kmsg.NewDescribeConfigsResponseResourceConfigConfigSynonym()
	s.Name, s.Value, s.Source = name, &value, source
	return s
}

// describeBroker lists what tools ask a broker about: the defaults of topics
// under their broker names, and the settings that have a Kafka name. The
// cluster-wide default has only what was stored for it.
func (b *Broker) describeBroker(name string, names []string) []kmsg.DescribeConfigsResponseResourceConfig {
	stored := b.meta.Image().Configs(meta.BrokerResource, name)
	out := describeStored(stored, kmsg.ConfigSourceDynamicBrokerConfig, names)
	if name == "" {
		for i := range out {
			out[i].Source = kmsg.ConfigSourceDynamicDefaultBrokerConfig
		}
		return out
	}
	add := func(name, value string, kind meta.ConfigType, source kmsg.ConfigSource) {
		if _, ok := stored[name]; ok || names != nil && !slices.Contains(names, name) {
			return
		}
		c := kmsg.NewDescribeConfigsResponseResourceConfig()
		c.Name, c.Value, c.ConfigType, c.Source = name, &value, kmsg.ConfigType(kind), source
		c.IsDefault, c.ReadOnly = source == kmsg.ConfigSourceDefaultConfig, true
		out = append(out, c)
	}
	static := kmsg.ConfigSourceStaticBrokerConfig
	add("node.id", strconv.Itoa(int(b.cfg.NodeID)), meta.IntConfig, static)
	add("broker.id", strconv.Itoa(int(b.cfg.NodeID)), meta.IntConfig, static)
	add("log.dirs", b.cfg.DataDir, meta.StringConfig, static)
	add("num.partitions", strconv.Itoa(int(b.cfg.DefaultPartitions)), meta.IntConfig, static)
	add("default.replication.factor", "1", meta.IntConfig, static)
	add("auto.create.topics.enable", strconv.FormatBool(!b.cfg.NoAutoCreate), meta.BoolConfig, static)
	add("offsets.topic.num.partitions", strconv.Itoa(int(b.cfg.CoordinatorPartitions)), meta.IntConfig, static)
	add("transaction.state.log.num.partitions", strconv.Itoa(int(b.cfg.CoordinatorPartitions)), meta.IntConfig, static)
	for _, def := range meta.TopicConfigs() {
		if def.Broker == "" {
			continue
		}
		value, source := def.Default, kmsg.ConfigSourceDefaultConfig
		if v, ok := b.cfg.TopicDefaults[def.Name]; ok {
			value, source = v, static
		}
		add(def.Broker, value, def.Type, source)
	}
	return out
}

// describeStored lists dynamic configurations.
func describeStored(stored map[string]string, source kmsg.ConfigSource, names []string) []kmsg.DescribeConfigsResponseResourceConfig {
	var out []kmsg.DescribeConfigsResponseResourceConfig
	for name, value := range stored {
		if names != nil && !slices.Contains(names, name) {
			continue
		}
		c := kmsg.NewDescribeConfigsResponseResourceConfig()
		c.Name, c.Value, c.Source, c.ConfigType = name, &value, source, kmsg.ConfigTypeString
		out = append(out, c)
	}
	slices.SortFunc(out, func(a, b kmsg.DescribeConfigsResponseResourceConfig) int {
		if a.Name < b.Name {
			return -1
		}
		return 1
	})
	return out
}
