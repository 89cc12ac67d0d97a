package broker

import (
	"context"
	"slices"
	"strconv"

	"github.com/thalweg/thalweg/broker/meta"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// ListConfigResources (key 74)
//
//	v0 client metrics subscriptions, of which there are none
//	v1 resources of every type (KIP-1142)

func (b *Broker) listConfigResources(_ context.Context, _ *call, req *kmsg.ListConfigResourcesRequest) *kmsg.ListConfigResourcesResponse {
	resp := req.ResponseKind().(*kmsg.ListConfigResourcesResponse)
	if req.Version == 0 {
		return resp
	}
	all := []int8{int8(kmsg.ConfigResourceTypeTopic), int8(kmsg.ConfigResourceTypeBroker), int8(kmsg.ConfigResourceTypeBrokerLogger),
		int8(kmsg.ConfigResourceTypeClientMetrics), int8(kmsg.ConfigResourceTypeGroupConfig)}
	types := req.ResourceTypes
	if len(types) == 0 {
		types = all
	}
	img := b.meta.Image()
	add := func(kind int8, name string) {
		r := kmsg.NewListConfigResourcesResponseConfigResource()
		r.Name, r.Type = name, kind
		resp.ConfigResources = append(resp.ConfigResources, r)
	}
	for _, kind := range types {
		if !slices.Contains(all, kind) {
			resp.ErrorCode, resp.ConfigResources = kerr.UnsupportedVersion.Code, nil
			return resp
		}
		switch kmsg.ConfigResourceType(kind) {
		case kmsg.ConfigResourceTypeTopic:
			for t := range img.Topics("") {
				add(kind, t.Name)
			}
		case kmsg.ConfigResourceTypeBroker, kmsg.ConfigResourceTypeBrokerLogger:
			for _, broker := range img.Brokers() {
				add(kind, strconv.Itoa(int(broker.ID)))
			}
		case kmsg.ConfigResourceTypeGroupConfig:
			for _, name := range img.ConfigNames(meta.GroupResource) {
				add(kind, name)
			}
		}
	}
	return resp
}
