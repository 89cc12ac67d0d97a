package meta

import (
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strconv"

	"github.com/tidwall/btree"
)

// ErrNoTopic reports a record about a topic that does not exist.
var ErrNoTopic = errors.New("meta: no such topic")

// Image is the metadata after some prefix of the log. A published image is
// immutable and may be read by any goroutine; what its methods return must not
// be changed.
type Image struct {
	// Index is the Raft index of the last record applied.
	Index uint64
	// ClusterID is "" before the first start.
	ClusterID string
	// NextProducerID is the first producer id not handed out yet.
	NextProducerID int64

	brokers  map[int32]*Broker
	features map[string]int16
	configs  map[configOwner]map[string]string
	byName   *btree.Map[string, *Topic]
	byID     *btree.Map[string, *Topic]
}

// Broker is a registered broker.
type Broker struct {
	ID        int32
	Epoch     int64
	Rack      string
	Listeners []Listener
}

// Topic is a topic and its partitions.
type Topic struct {
	Name       string
	ID         ID
	Partitions []Partition
	// Configs are the overrides; what is not in it has the broker's default.
	Configs map[string]string
}

// Internal reports one of the two topics that belong to the broker itself.
func (t *Topic) Internal() bool {
	return t.Name == GroupTopic || t.Name == TxnTopic
}

// The internal topics of the two kinds of coordinators.
const (
	GroupTopic = "__consumer_offsets"
	TxnTopic   = "__transaction_state"
)

// Partition is what the cluster has agreed on about one partition.
type Partition struct {
	Replicas []int32 `json:"replicas"`
	ISR      []int32 `json:"isr"`
	// Leader is -1 when there is none.
	Leader int32 `json:"leader"`
	// LeaderEpoch grows when the leader changes, Epoch with every change.
	LeaderEpoch int32 `json:"leaderEpoch"`
	Epoch       int32 `json:"epoch"`
}

type configOwner struct {
	resource Resource
	name     string
}

// NewImage returns the empty image.
func NewImage() *Image {
	return &Image{
		brokers:  map[int32]*Broker{},
		features: map[string]int16{},
		configs:  map[configOwner]map[string]string{},
		byName:   btree.NewMap[string, *Topic](0),
		byID:     btree.NewMap[string, *Topic](0),
	}
}

// clone returns a copy that can be changed without changing img. The two topic
// trees share their nodes until one of them is written to.
func (img *Image) clone() *Image {
	c := *img
	c.brokers = maps.Clone(img.brokers)
	c.features = maps.Clone(img.features)
	c.configs = maps.Clone(img.configs)
	c.byName = img.byName.Copy()
	c.byID = img.byID.Copy()
	return &c
}

// Topic returns the topic of that name, or nil.
func (img *Image) Topic(name string) *Topic {
	t, _ := img.byName.Get(name)
	return t
}

// TopicByID returns the topic with that id, or nil.
func (img *Image) TopicByID(id ID) *Topic {
	t, _ := img.byID.Get(string(id[:]))
	return t
}

// Topics yields all topics ordered by name, beginning with the first one that
// is not less than from.
func (img *Image) Topics(from string) iter.Seq[*Topic] {
	return func(yield func(*Topic) bool) {
		img.byName.Ascend(from, func(_ string, t *Topic) bool { return yield(t) })
	}
}

// Len returns the number of topics.
func (img *Image) Len() int { return img.byName.Len() }

// Broker returns a registered broker, or nil.
func (img *Image) Broker(id int32) *Broker { return img.brokers[id] }

// Brokers returns the registered brokers ordered by id.
func (img *Image) Brokers() []*Broker {
	return slices.SortedFunc(maps.Values(img.brokers), func(a, b *Broker) int { return int(a.ID - b.ID) })
}

// Features returns the finalized feature levels.
func (img *Image) Features() map[string]int16 { return img.features }

// Configs returns the dynamic configurations of a broker or a group.
func (img *Image) Configs(r Resource, name string) map[string]string {
	return img.configs[configOwner{r, name}]
}

// ConfigNames returns the names of the resources of one kind that have dynamic
// configurations, in order.
func (img *Image) ConfigNames(r Resource) []string {
	var names []string
	for owner := range img.configs {
		if owner.resource == r {
			names = append(names, owner.name)
		}
	}
	slices.Sort(names)
	return names
}

// apply changes img by one record that was committed at index.
func (img *Image) apply(index uint64, r *Record) error {
	switch {
	case r.Cluster != nil:
		img.ClusterID = r.Cluster.ID
	case r.Broker != nil:
		b := r.Broker
		img.brokers[b.ID] = &Broker{ID: b.ID, Epoch: int64(index), Rack: b.Rack, Listeners: b.Listeners}
	case r.Feature != nil:
		img.features[r.Feature.Name] = r.Feature.Level
	case r.Topic != nil:
		t := r.Topic
		img.setTopic(&Topic{Name: t.Name, ID: t.ID, Partitions: t.Partitions, Configs: t.Configs})
	case r.Partition != nil:
		return img.applyPartition(r.Partition)
	case r.RemoveTopic != nil:
		t := img.TopicByID(r.RemoveTopic.ID)
		if t == nil {
			return fmt.Errorf("remove %s: %w", r.RemoveTopic.ID, ErrNoTopic)
		}
		img.byName.Delete(t.Name)
		img.byID.Delete(string(t.ID[:]))
	case r.Config != nil:
		return img.applyConfig(r.Config)
	case r.ProducerIDs != nil:
		img.NextProducerID = max(img.NextProducerID, r.ProducerIDs.Next)
	default:
		return errors.New("meta: a record of a kind that this build does not know: use the version that wrote it")
	}
	return nil
}

func (img *Image) setTopic(t *Topic) {
	img.byName.Set(t.Name, t)
	img.byID.Set(string(t.ID[:]), t)
}

func (img *Image) applyPartition(r *PartitionRecord) error {
	old := img.TopicByID(r.Topic)
	if old == nil {
		return fmt.Errorf("partition %d of %s: %w", r.Index, r.Topic, ErrNoTopic)
	}
	t := *old
	t.Partitions = slices.Clone(old.Partitions)
	switch n := int32(len(t.Partitions)); {
	case r.Index >= 0 && r.Index < n:
		t.Partitions[r.Index] = r.Partition
	case r.Index == n:
		t.Partitions = append(t.Partitions, r.Partition)
	default:
		return fmt.Errorf("meta: partition %d of topic %s, which has %d", r.Index, t.Name, n)
	}
	img.setTopic(&t)
	return nil
}

func (img *Image) applyConfig(r *ConfigRecord) error {
	if r.Resource == TopicResource {
		old := img.Topic(r.Name)
		if old == nil {
			return fmt.Errorf("config of %q: %w", r.Name, ErrNoTopic)
		}
		t := *old
		t.Configs = withConfig(old.Configs, r.Key, r.Value)
		img.setTopic(&t)
		return nil
	}
	owner := configOwner{r.Resource, r.Name}
	if c := withConfig(img.configs[owner], r.Key, r.Value); len(c) > 0 {
		img.configs[owner] = c
	} else {
		delete(img.configs, owner)
	}
	return nil
}

func withConfig(old map[string]string, key string, value *string) map[string]string {
	c := maps.Clone(old)
	if value == nil {
		delete(c, key)
		return c
	}
	if c == nil {
		c = map[string]string{}
	}
	c[key] = *value
	return c
}

// Apply returns the image after records that were committed at index. On an
// error img is still what it was and the records have no effect.
func (img *Image) Apply(index uint64, records []Record) (*Image, error) {
	next := img.clone()
	next.Index = index
	for i := range records {
		if err := next.apply(index, &records[i]); err != nil {
			return nil, fmt.Errorf("record %d of entry %s: %w", i, strconv.FormatUint(index, 10), err)
		}
	}
	return next, nil
}

// Records returns records that rebuild the image from an empty one, but for
// the broker epochs, which the next registration renews.
func (img *Image) Records() []Record {
	rs := []Record{{Cluster: &ClusterRecord{ID: img.ClusterID}}}
	for _, b := range img.Brokers() {
		rs = append(rs, Record{Broker: &BrokerRecord{ID: b.ID, Listeners: b.Listeners, Rack: b.Rack}})
	}
	for _, name := range slices.Sorted(maps.Keys(img.features)) {
		rs = append(rs, Record{Feature: &FeatureRecord{Name: name, Level: img.features[name]}})
	}
	for t := range img.Topics("") {
		rs = append(rs, Record{Topic: &TopicRecord{Name: t.Name, ID: t.ID, Partitions: t.Partitions, Configs: t.Configs}})
	}
	for _, resource := range []Resource{BrokerResource, GroupResource} {
		for _, name := range img.ConfigNames(resource) {
			configs := img.Configs(resource, name)
			for _, key := range slices.Sorted(maps.Keys(configs)) {
				value := configs[key]
				rs = append(rs, Record{Config: &ConfigRecord{Resource: resource, Name: name, Key: key, Value: &value}})
			}
		}
	}
	return append(rs, Record{ProducerIDs: &ProducerIDsRecord{Next: img.NextProducerID}})
}
