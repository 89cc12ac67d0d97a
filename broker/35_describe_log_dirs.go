package broker

import (
	"context"
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// DescribeLogDirs (key 35)
//
//	v2 flexible   v3 top-level error   v4 size of the volume   v5 cordoned

func (b *Broker) describeLogDirs(_ context.Context, _ *call, req *kmsg.DescribeLogDirsRequest) *kmsg.DescribeLogDirsResponse {
	resp := req.ResponseKind().(*kmsg.DescribeLogDirsResponse)
	dir := kmsg.NewDescribeLogDirsResponseDir()
	dir.Dir = b.cfg.DataDir
	dir.TotalBytes, dir.UsableBytes = volumeSize(b.cfg.DataDir)
	wanted := map[string][]int32{}
	for _, t := range req.Topics {
		wanted[t.Topic] = t.Partitions
	}
	for mt := range b.meta.Image().Topics("") {
		partitions, ok := wanted[mt.Name]
		if req.Topics != nil && !ok {
			continue
		}
		t := b.topics.withID(mt.ID)
		if t == nil {
			continue
		}
		out := kmsg.NewDescribeLogDirsResponseDirTopic()
		out.Topic = mt.Name
		for _, p := range t.partitions {
			if req.Topics != nil && !slices.Contains(partitions, p.index) {
				continue
			}
			rp := kmsg.NewDescribeLogDirsResponseDirTopicPartition()
			rp.Partition = p.index
			if l, err := p.log(); err == nil {
				rp.Size = l.Size()
			}
			out.Partitions = append(out.Partitions, rp)
		}
		dir.Topics = append(dir.Topics, out)
	}
	resp.Dirs = append(resp.Dirs, dir)
	return resp
}
