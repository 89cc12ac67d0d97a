package broker

import (
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"time"

	"github.com/thalweg/thalweg/broker/log"
	"github.com/thalweg/thalweg/broker/meta"
	"golang.org/x/sync/errgroup"
)

// topicSet holds what this broker runs for each topic of the metadata. It
// follows the metadata: apply is called with every change.
type topicSet struct {
	b    *Broker
	tail *log.TailBudget

	mu         sync.RWMutex
	byName     map[string]*topic
	byID       map[meta.ID]*topic
	partitions int
}

// topic is a topic as requests see it. It is replaced, not changed; its
// partitions live on in the next version.
type topic struct {
	*meta.Topic
	configs    meta.Configs
	partitions []*partition
}

// tailMemory bounds the newest records that all partitions keep in memory for
// consumers at the end of the log.
const tailMemory = 64 << 20

func newTopicSet(b *Broker) *topicSet {
	return &topicSet{b: b, tail: log.NewTailBudget(tailMemory), byName: map[string]*topic{}, byID: map[meta.ID]*topic{}}
}

// load takes over every topic of img, when the coordinators are there. Some
// are known from the replay of the metadata log already.
func (s *topicSet) load(img *meta.Image) {
	for mt := range img.Topics("") {
		if t, _ := s.replace(mt); t.Internal() {
			s.b.coordinators.lead(t)
		}
	}
}

// apply follows a change of the metadata. It runs on the metadata goroutine,
// once per change and in order.
func (s *topicSet) apply(img *meta.Image, records []meta.Record) {
	for i := range records {
		switch r := &records[i]; {
		case r.Topic != nil:
			s.update(img, r.Topic.ID)
		case r.Partition != nil:
			s.update(img, r.Partition.Topic)
		case r.Config != nil && r.Config.Resource == meta.TopicResource:
			if t := img.Topic(r.Config.Name); t != nil {
				s.update(img, t.ID)
			}
		case r.RemoveTopic != nil:
			s.remove(r.RemoveTopic.ID)
		}
	}
}

func (s *topicSet) update(img *meta.Image, id meta.ID) {
	// A later record of the same change may have removed it.
	if t := img.TopicByID(id); t != nil {
		s.put(t)
	}
}

// put takes over a topic that is new or has changed.
func (s *topicSet) put(mt *meta.Topic) {
	t, isNew := s.replace(mt)
	if isNew && t.Internal() {
		s.b.coordinators.lead(t)
	}
	for _, p := range t.partitions {
		if l := p.opened.Load(); l != nil {
			l.Configure(s.configFor(t, p))
		}
	}
}

func (s *topicSet) replace(mt *meta.Topic) (_ *topic, isNew bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	old := s.byID[mt.ID]
	t := &topic{Topic: mt, configs: meta.EffectiveConfigs(mt.Configs, s.b.cfg.TopicDefaults)}
	if old != nil {
		t.partitions = old.partitions
	}
	t.partitions = t.partitions[:len(t.partitions):len(t.partitions)]
	r := newRules(t.configs)
	for i := range mt.Partitions {
		if i == len(t.partitions) {
			t.partitions = append(t.partitions, &partition{b: s.b, topic: mt.Name, id: mt.ID, index: int32(i)})
			s.partitions++
		}
		p := t.partitions[i]
		p.rules.Store(r)
		p.epoch.Store(mt.Partitions[i].LeaderEpoch)
	}
	s.byName[mt.Name] = t
	s.byID[mt.ID] = t
	return t, old == nil
}

// remove forgets a topic and deletes its logs in the background.
func (s *topicSet) remove(id meta.ID) {
	s.mu.Lock()
	t := s.byID[id]
	if t != nil {
		delete(s.byID, id)
		delete(s.byName, t.Name)
		s.partitions -= len(t.partitions)
	}
	s.mu.Unlock()
	if t == nil {
		return
	}
	for _, p := range t.partitions {
		s.b.discard(p)
	}
}

// named returns the topic of that name, or nil. The name may alias a request.
func (s *topicSet) named(name []byte) *topic {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.byName[string(name)]
}

// withID returns the topic with that id, or nil.
func (s *topicSet) withID(id meta.ID) *topic {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.byID[id]
}

// partition returns a partition of t, or nil. t may be nil.
func (t *topic) partition(index int32) *partition {
	if t == nil || index < 0 || int(index) >= len(t.partitions) {
		return nil
	}
	return t.partitions[index]
}

func (s *topicSet) partitionCount() int {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.partitions
}

// logConfig returns the configuration for opening a partition's log.
func (s *topicSet) logConfig(p *partition) log.Config {
	t := s.withID(p.id)
	if t == nil {
		t = &topic{}
	}
	return s.configFor(t, p)
}

func (s *topicSet) configFor(t *topic, p *partition) log.Config {
	c := t.configs
	cfg := log.Config{
		FS:            s.b.fs,
		TopicID:       p.id,
		SegmentBytes:  int(c.Int("segment.bytes")),
		SegmentAge:    milliseconds(c.Int("segment.ms")),
		IndexInterval: int(c.Int("index.interval.bytes")),
		IndexBytes:    int(c.Int("segment.index.bytes")),
		Budget:        s.tail,
		Notify:        func(log.Offsets) { p.wake() },
		Logger:        s.b.log,
	}
	if c.Has("cleanup.policy", "delete") {
		cfg.RetentionBytes = c.Int("retention.bytes")
		cfg.RetentionTime = milliseconds(c.Int("retention.ms"))
	}
	return cfg
}

// milliseconds converts a configuration to a duration; the largest values mean
// for ever.
func milliseconds(ms int64) time.Duration {
	const most = int64(1<<63-1) / int64(time.Millisecond)
	return time.Duration(min(ms, most)) * time.Millisecond
}

// all returns every partition.
func (s *topicSet) all() []*partition {
	s.mu.RLock()
	defer s.mu.RUnlock()
	all := make([]*partition, 0, s.partitions)
	for _, t := range s.byID {
		all = append(all, t.partitions...)
	}
	return all
}

// closeConcurrency is how many logs are closed at a time: closing waits for the
// disk a few times.
const closeConcurrency = 16

// close closes all logs, marking them clean.
func (s *topicSet) close() error {
	all := s.all()
	errs := make([]error, len(all))
	var g errgroup.Group
	g.SetLimit(closeConcurrency)
	for i, p := range all {
		g.Go(func() error {
			if l := p.stop(); l != nil {
				if err := l.Close(); err != nil {
					errs[i] = fmt.Errorf("broker: close %s: %w", filepath.Base(p.dir()), err)
				}
			}
			return nil
		})
	}
	_ = g.Wait() // every error is in errs
	return errors.Join(errs...)
}

// abandon lets go of all logs as they are.
func (s *topicSet) abandon() {
	for _, p := range s.all() {
		if l := p.stop(); l != nil {
			l.Abandon()
		}
	}
}
