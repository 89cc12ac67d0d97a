package broker

import (
	"context"
	"errors"

	"github.com/thalweg/thalweg/broker/meta"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Metadata (key 3)
//
//	v1 null asks for all topics, an empty list for none
//	v4 auto-creation only if the client allows it   v5 offline replicas
//	v7 leader epoch   v8 authorized operations (v8-10 also of the cluster)
//	v9 flexible   v10 topic ids   v12 topics by id   v13 top-level error

// allOperations of topics and of the cluster, as bit sets: there is no
// authorizer, so everyone may do everything. The bits are Kafka's acl
// operation codes.
const (
	topicOperations   = 1<<3 | 1<<4 | 1<<5 | 1<<6 | 1<<7 | 1<<8 | 1<<10 | 1<<11
	clusterOperations = 1<<5 | 1<<7 | 1<<8 | 1<<9 | 1<<10 | 1<<11 | 1<<12
	groupOperations   = 1<<3 | 1<<6 | 1<<8
	noOperations      = -1 << 31
)

func (b *Broker) metadata(ctx context.Context, c *call, req *kmsg.MetadataRequest) *kmsg.MetadataResponse {
	resp := req.ResponseKind().(*kmsg.MetadataResponse)
	img := b.meta.Image()
	resp.ClusterID = &img.ClusterID
	resp.ControllerID = b.cfg.NodeID
	resp.AuthorizedOperations = noOperations
	if req.IncludeClusterAuthorizedOperations {
		resp.AuthorizedOperations = clusterOperations
	}
	for _, node := range b.nodes(img, c) {
		n := kmsg.NewMetadataResponseBroker()
		n.NodeID, n.Host, n.Port = node.ID, node.Host, node.Port
		if node.Rack != "" {
			n.Rack = &node.Rack
		}
		resp.Brokers = append(resp.Brokers, n)
	}
	if req.Topics == nil || req.Version == 0 && len(req.Topics) == 0 {
		for t := range img.Topics("") {
			resp.Topics = append(resp.Topics, metadataTopic(t, req))
		}
		return resp
	}
	for i := range req.Topics {
		resp.Topics = append(resp.Topics, b.metadataFor(ctx, img, &req.Topics[i], req))
	}
	return resp
}

// metadataFor looks up one topic that was asked for, by name or id.
func (b *Broker) metadataFor(ctx context.Context, img *meta.Image, asked *kmsg.MetadataRequestTopic, req *kmsg.MetadataRequest) kmsg.MetadataResponseTopic {
	mt := kmsg.NewMetadataResponseTopic()
	mt.Topic, mt.TopicID = asked.Topic, asked.TopicID
	mt.AuthorizedOperations = noOperations
	// Java's admin client sends an empty name, not null, beside the id.
	if asked.Topic == nil || asked.TopicID != [16]byte{} {
		if t := img.TopicByID(meta.ID(asked.TopicID)); t != nil {
			return metadataTopic(t, req)
		}
		mt.ErrorCode = kerr.UnknownTopicID.Code
		return mt
	}
	mt.TopicID = [16]byte{}
	if t := img.Topic(*asked.Topic); t != nil {
		return metadataTopic(t, req)
	}
	switch err := b.autoCreate(ctx, *asked.Topic, req); {
	case err == nil:
		// The answer could hold the topic already. Kafka's says that it is not
		// there yet, since creation takes it longer; the client asks again
		// after a pause, which is saved here.
		if t := b.meta.Image().Topic(*asked.Topic); t != nil {
			return metadataTopic(t, req)
		}
		mt.ErrorCode = kerr.UnknownTopicOrPartition.Code
	case errors.Is(err, kerr.InvalidTopicException):
		mt.ErrorCode = kerr.InvalidTopicException.Code
	default:
		mt.ErrorCode = kerr.UnknownTopicOrPartition.Code
	}
	return mt
}

// autoCreate creates a topic that a client asked about, if it may.
func (b *Broker) autoCreate(ctx context.Context, name string, req *kmsg.MetadataRequest) error {
	if err := checkTopicName(name); err != nil {
		return err
	}
	if internalTopic(name) {
		_, err := b.internalTopic(ctx, name)
		return err
	}
	if b.cfg.NoAutoCreate || req.Version >= 4 && !req.AllowAutoTopicCreation {
		return kerr.UnknownTopicOrPartition
	}
	return b.createTopic(ctx, newTopic{name: name, partitions: -1, replicas: -1})
}

func metadataTopic(t *meta.Topic, req *kmsg.MetadataRequest) kmsg.MetadataResponseTopic {
	mt := kmsg.NewMetadataResponseTopic()
	mt.Topic, mt.TopicID, mt.IsInternal = &t.Name, t.ID, t.Internal()
	mt.AuthorizedOperations = noOperations
	if req.IncludeTopicAuthorizedOperations {
		mt.AuthorizedOperations = topicOperations
	}
	mt.Partitions = make([]kmsg.MetadataResponseTopicPartition, 0, len(t.Partitions))
	for i := range t.Partitions {
		p := &t.Partitions[i]
		mp := kmsg.NewMetadataResponseTopicPartition()
		mp.Partition, mp.Leader, mp.LeaderEpoch = int32(i), p.Leader, p.LeaderEpoch
		mp.Replicas, mp.ISR = p.Replicas, p.ISR
		if p.Leader < 0 {
			mp.ErrorCode = kerr.LeaderNotAvailable.Code
		}
		mt.Partitions = append(mt.Partitions, mp)
	}
	return mt
}
