package fetch

import (
	"cmp"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// resolve finds leaders, and offsets for cursors that start or restart at an
// end of the log. It is one goroutine: cursors without a leader belong to it.
func (f *Fetcher) resolve() {
	for {
		select {
		case <-f.wake:
		case <-f.ctx.Done():
			return
		}
		for !f.settle(f.lost()) {
			select {
			case <-time.After(retryPause):
			case <-f.ctx.Done():
				return
			}
		}
	}
}

// lost returns the cursors that have no leader.
func (f *Fetcher) lost() []*Cursor {
	f.mu.Lock()
	defer f.mu.Unlock()
	var cs []*Cursor
	for c := range f.cursors {
		c.mu.Lock()
		if c.broker < 0 && c.status.Err == nil && !c.closed {
			cs = append(cs, c)
		}
		c.mu.Unlock()
	}
	return cs
}

// settle tries to give each cursor a leader and an offset and reports whether
// all have one now.
func (f *Fetcher) settle(cs []*Cursor) bool {
	if len(cs) == 0 {
		return true
	}
	req := kmsg.NewPtrMetadataRequest()
	req.AllowAutoTopicCreation = false
	names := make(map[string]bool)
	for _, c := range cs {
		if !names[c.topic] {
			names[c.topic] = true
			t := kmsg.NewMetadataRequestTopic()
			t.Topic = kmsg.StringPtr(c.topic)
			req.Topics = append(req.Topics, t)
		}
	}
	resp, err := req.RequestWith(f.ctx, f.cfg.Client)
	if err != nil {
		f.cfg.Logger.Debug("metadata failed", "err", err)
		return f.ctx.Err() != nil
	}
	type tp struct {
		topic     string
		partition int32
	}
	type leader struct {
		broker, epoch int32
		id            [16]byte
	}
	leaders := make(map[tp]leader)
	unknown := make(map[string]error)
	for _, t := range resp.Topics {
		if t.Topic == nil {
			continue
		}
		if t.ErrorCode != 0 {
			unknown[*t.Topic] = kerr.ErrorForCode(t.ErrorCode)
			continue
		}
		for _, p := range t.Partitions {
			if p.ErrorCode == 0 && p.Leader >= 0 {
				leaders[tp{*t.Topic, p.Partition}] = leader{p.Leader, p.LeaderEpoch, t.TopicID}
			}
		}
	}
	all := true
	for _, c := range cs {
		ld, ok := leaders[tp{c.topic, c.partition}]
		if !ok {
			c.refused(cmp.Or(unknown[c.topic], error(kerr.LeaderNotAvailable)))
			all = false
			continue
		}
		at := c.Status().Position
		if at < 0 {
			offset, err := f.listOffset(c, ld.broker, at)
			if err != nil {
				f.cfg.Logger.Debug("list offsets failed", "topic", c.topic, "partition", c.partition, "err", err)
				c.refused(err)
				all = false
				continue
			}
			at = offset
		}
		if c.resolved(at, ld.broker, ld.epoch, ld.id) {
			f.loop(ld.broker).add(c)
		}
	}
	return all
}

// listOffset asks a partition's leader for one end of its log.
func (f *Fetcher) listOffset(c *Cursor, broker int32, at int64) (int64, error) {
	req := kmsg.NewPtrListOffsetsRequest()
	if f.cfg.Committed {
		req.IsolationLevel = 1
	}
	t := kmsg.NewListOffsetsRequestTopic()
	t.Topic = c.topic
	p := kmsg.NewListOffsetsRequestTopicPartition()
	p.Partition, p.Timestamp = c.partition, at
	t.Partitions = append(t.Partitions, p)
	req.Topics = append(req.Topics, t)
	r, err := f.cfg.Client.Broker(int(broker)).Request(f.ctx, req)
	if err != nil {
		return 0, err
	}
	for _, t := range r.(*kmsg.ListOffsetsResponse).Topics {
		for _, p := range t.Partitions {
			return p.Offset, kerr.ErrorForCode(p.ErrorCode)
		}
	}
	return 0, fmt.Errorf("fetch: empty ListOffsets answer for %s partition %d", c.topic, c.partition)
}
