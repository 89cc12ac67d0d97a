package broker

import (
	"context"

	"github.com/thalweg/thalweg/broker/meta"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// DeleteTopics (key 20)
//
//	v4 flexible   v5 error message   v6 by topic id

func (b *Broker) deleteTopics(ctx context.Context, _ *call, req *kmsg.DeleteTopicsRequest) *kmsg.DeleteTopicsResponse {
	resp := req.ResponseKind().(*kmsg.DeleteTopicsResponse)
	asked := req.Topics
	if req.Version < 6 {
		for i := range req.TopicNames {
			asked = append(asked, kmsg.DeleteTopicsRequestTopic{Topic: &req.TopicNames[i]})
		}
	}
	var deleted []string
	for i := range asked {
		out := kmsg.NewDeleteTopicsResponseTopic()
		out.Topic, out.TopicID = asked[i].Topic, asked[i].TopicID
		t, err := b.deleteTopic(ctx, &asked[i])
		if t != nil {
			out.Topic, out.TopicID = &t.Name, t.ID
			deleted = append(deleted, t.Name)
		}
		out.ErrorCode, out.ErrorMessage = codeAndMessage(err)
		resp.Topics = append(resp.Topics, out)
	}
	if len(deleted) > 0 {
		if err := b.coordinators.groups.DeleteTopics(ctx, deleted...); err != nil {
			b.log.Warn("offsets of deleted topics stay until they expire", "topics", deleted, "error", err)
		}
	}
	return resp
}

func (b *Broker) deleteTopic(ctx context.Context, asked *kmsg.DeleteTopicsRequestTopic) (deleted *meta.Topic, err error) {
	err = b.meta.Update(ctx, func(img *meta.Image) ([]meta.Record, error) {
		var t *meta.Topic
		if asked.Topic != nil {
			if t = img.Topic(*asked.Topic); t == nil {
				return nil, kerr.UnknownTopicOrPartition
			}
		} else if t = img.TopicByID(meta.ID(asked.TopicID)); t == nil {
			return nil, kerr.UnknownTopicID
		}
		if t.Internal() {
			return nil, fail(kerr.InvalidTopicException, "The internal topic %s cannot be deleted.", t.Name)
		}
		deleted = t
		return []meta.Record{{RemoveTopic: &meta.RemoveTopicRecord{ID: t.ID}}}, nil
	})
	if err != nil {
		return nil, err
	}
	return deleted, nil
}
