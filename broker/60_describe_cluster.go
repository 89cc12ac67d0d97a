package broker

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// DescribeCluster (key 60)
//
//	v1 endpoint type (KIP-919)   v2 fenced brokers

func (b *Broker) describeCluster(_ context.Context, c *call, req *kmsg.DescribeClusterRequest) *kmsg.DescribeClusterResponse {
	resp := req.ResponseKind().(*kmsg.DescribeClusterResponse)
	resp.EndpointType = req.EndpointType
	resp.ClusterAuthorizedOperations = noOperations
	if req.Version >= 1 && req.EndpointType != 1 {
		resp.ErrorCode = kerr.MismatchedEndpointType.Code
		resp.ErrorMessage = kmsg.StringPtr("This listener serves brokers, not controllers.")
		return resp
	}
	img := b.meta.Image()
	resp.ClusterID, resp.ControllerID = img.ClusterID, b.cfg.NodeID
	if req.IncludeClusterAuthorizedOperations {
		resp.ClusterAuthorizedOperations = clusterOperations
	}
	for _, node := range b.nodes(img, c) {
		n := kmsg.NewDescribeClusterResponseBroker()
		n.NodeID, n.Host, n.Port = node.ID, node.Host, node.Port
		if node.Rack != "" {
			n.Rack = &node.Rack
		}
		resp.Brokers = append(resp.Brokers, n)
	}
	return resp
}
