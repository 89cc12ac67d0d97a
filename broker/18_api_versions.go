package broker

import (
	"context"
	"math"

	"github.com/thalweg/thalweg/broker/api"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// ApiVersions (key 18)
//
//	v1 throttle time   v3 flexible; client software name; features (KIP-584)
//	v4 features whose lowest level is 0   v5 whom the client means to reach (KIP-1242)

// feature is a cluster-wide switch that clients can see (KIP-584).
type feature struct {
	name        string
	least, most int16 // levels this build supports
	finalized   int16 // level of a new cluster
	_           struct{}
}

// transaction.version 2 makes clients use the transactions of KIP-890 part 2.
// group.version 1 would announce the group protocol of KIP-848.
var features = [...]feature{
	{name: "group.version", least: 0, most: 0, finalized: 0},
	{name: "metadata.version", least: 7, most: 30, finalized: 30},
	{name: "transaction.version", least: 0, most: 2, finalized: 2},
}

func (b *Broker) apiVersions(_ context.Context, _ *call, req *kmsg.ApiVersionsRequest) *kmsg.ApiVersionsResponse {
	resp := req.ResponseKind().(*kmsg.ApiVersionsResponse)
	if req.Version >= 3 && (!validSoftware(req.ClientSoftwareName) || !validSoftware(req.ClientSoftwareVersion)) {
		resp.ErrorCode = kerr.InvalidRequest.Code
		return resp
	}
	if req.Version >= 5 {
		if resp.ErrorCode = b.misrouted(req); resp.ErrorCode != 0 {
			return resp
		}
	}
	for _, s := range api.Specs() {
		k := kmsg.NewApiVersionsResponseApiKey()
		k.ApiKey, k.MinVersion, k.MaxVersion = s.Key.Int16(), s.Min, s.Max
		resp.ApiKeys = append(resp.ApiKeys, k)
	}
	img := b.meta.Image()
	for _, f := range features {
		if f.most == 0 || f.least == 0 && req.Version < 4 {
			continue // older parsers refuse a lowest level of 0
		}
		s := kmsg.NewApiVersionsResponseSupportedFeature()
		s.Name, s.MinVersion, s.MaxVersion = f.name, f.least, f.most
		resp.SupportedFeatures = append(resp.SupportedFeatures, s)
	}
	resp.FinalizedFeaturesEpoch = int64(min(img.Index, math.MaxInt64))
	for _, f := range features {
		level := img.Features()[f.name]
		if level == 0 {
			continue
		}
		s := kmsg.NewApiVersionsResponseFinalizedFeature()
		s.Name, s.MinVersionLevel, s.MaxVersionLevel = f.name, level, level
		resp.FinalizedFeatures = append(resp.FinalizedFeatures, s)
	}
	return resp
}

// unsupportedApiVersions answers a version of ApiVersions that is too new: in
// the encoding of version 0, which every client can read, with the versions to
// ask again in.
func (b *Broker) unsupportedApiVersions(h api.Header) reply {
	spec := api.Lookup(kmsg.ApiVersions.Int16())
	resp := kmsg.NewPtrApiVersionsResponse()
	resp.ErrorCode = kerr.UnsupportedVersion.Code
	k := kmsg.NewApiVersionsResponseApiKey()
	k.ApiKey, k.MinVersion, k.MaxVersion = spec.Key.Int16(), spec.Min, spec.Max
	resp.ApiKeys = append(resp.ApiKeys, k)
	return encoded{b: appendResponse(nil, spec, h, resp)}
}

// misrouted is the error code for a client that means to reach another broker,
// as it may after addresses were given to others: it has to begin anew with its
// seeds. A client that does not know yet whom it reaches names neither cluster
// nor node.
func (b *Broker) misrouted(req *kmsg.ApiVersionsRequest) int16 {
	switch {
	case (req.ClusterID == nil) != (req.NodeID == -1):
		return kerr.InvalidRequest.Code
	case req.ClusterID != nil && (*req.ClusterID != b.ClusterID() || req.NodeID != b.cfg.NodeID):
		return kerr.RebootstrapRequired.Code
	}
	return 0
}

// validSoftware reports whether s is a name or version as KIP-511 wants them:
// letters, digits, dots and dashes, beginning and ending with the former two.
func validSoftware(s string) bool {
	alnum := func(c byte) bool {
		return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
	}
	for i := range len(s) {
		c := s[i]
		if !alnum(c) && (c != '.' && c != '-' || i == 0 || i == len(s)-1) {
			return false
		}
	}
	return s != ""
}
