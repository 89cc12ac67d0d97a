package verify

import (
	"context"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/thalweg/thalweg/internal/trial/spec"
)

// Await reads and checks until nothing differs, or patience is over: results of the last input may be on their way.
func Await(ctx context.Context, brokers []string, exactly bool, patience time.Duration) (Topics, []Difference, error) {
	deadline := time.Now().Add(patience)
	for {
		topics, err := Read(ctx, brokers)
		if err != nil {
			return nil, nil, err
		}
		differences := Check(topics, exactly)
		if len(differences) == 0 || time.Now().After(deadline) {
			return topics, differences, nil
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// Read reads all topics of the trial to their ends, as they are now: what is committed.
func Read(ctx context.Context, brokers []string) (Topics, error) {
	names := append(append([]string{}, spec.Ins...), spec.Outs...)
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.AlwaysRetryEOF(),
		kgo.KeepControlRecords(), kgo.ConsumeTopics(names...), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		return nil, err
	}
	defer client.Close()
	ends, err := kadm.NewClient(client).ListCommittedOffsets(ctx, names...)
	if err == nil {
		err = ends.Error()
	}
	if err != nil {
		return nil, fmt.Errorf("ends of the topics: %w", err)
	}
	topics, left := Topics{}, map[string]map[int32]int64{}
	for _, name := range names {
		topics[name], left[name] = make([][]Record, spec.Partitions), map[int32]int64{}
	}
	ends.Each(func(o kadm.ListedOffset) {
		if o.Offset > 0 {
			left[o.Topic][o.Partition] = o.Offset
		}
	})
	remaining := func() bool {
		for _, parts := range left {
			if len(parts) > 0 {
				return true
			}
		}
		return false
	}
	for remaining() {
		fetches := client.PollFetches(ctx)
		if ctx.Err() != nil {
			return nil, fmt.Errorf("%w: not read to the end: %v", ctx.Err(), left)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			end, ok := left[r.Topic][r.Partition]
			if !ok || r.Offset >= end {
				return
			}
			if !r.Attrs.IsControl() {
				topics[r.Topic][r.Partition] = append(topics[r.Topic][r.Partition], Record{
					Key: string(r.Key), Value: string(r.Value), Null: r.Value == nil, Time: r.Timestamp.UnixMilli(), Offset: r.Offset,
				})
			}
			if r.Offset == end-1 {
				delete(left[r.Topic], r.Partition)
			}
		})
	}
	return topics, nil
}
