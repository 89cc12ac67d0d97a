package board

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/thalweg/thalweg/examples/weather/pipeline"
)

// fetchWait bounds how long a broker may hold a fetch for more records: what a live view shows is at most this old.
const fetchWait = 100 * time.Millisecond

// Follower reads the processed and the invalid topic from their beginning, committed records alone.
type Follower struct {
	cl       *kgo.Client
	adm      *kadm.Client
	position kadm.Offsets // behind the last record read, control records included
}

// Follow connects to brokers. The topics must exist.
func Follow(ctx context.Context, brokers []string) (*Follower, error) {
	cl, err := kgo.NewClient(
		kgo.SeedBrokers(brokers...),
		kgo.ClientID("weather-watch"),
		kgo.ConsumeTopics(pipeline.Processed.Name, pipeline.Invalid.Name),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.FetchMaxWait(fetchWait),
		kgo.AlwaysRetryEOF(),     // go on after a broker that dies at any moment
		kgo.KeepControlRecords(), // or the position would stop before the last commit marker
	)
	if err != nil {
		return nil, fmt.Errorf("board: %w", err)
	}
	f := &Follower{cl, kadm.NewClient(cl), kadm.Offsets{}}
	topics, err := f.adm.ListTopics(ctx, pipeline.Processed.Name, pipeline.Invalid.Name)
	if err == nil {
		err = topics.Error()
	}
	if err != nil {
		cl.Close()
		return nil, fmt.Errorf("board: topics %s and %s (weather produce and weather run make them): %w", pipeline.Processed.Name, pipeline.Invalid.Name, err)
	}
	return f, nil
}

// Poll waits for records until ctx is done and puts them on the board. It returns nil when ctx is done.
func (f *Follower) Poll(ctx context.Context, b *Board) error {
	fetches := f.cl.PollFetches(ctx)
	if errors.Is(fetches.Err0(), ctx.Err()) && ctx.Err() != nil {
		return nil
	}
	if err := fetches.Err(); err != nil {
		return fmt.Errorf("board: %w", err)
	}
	for r := range fetches.RecordsAll() {
		f.position.AddOffset(r.Topic, r.Partition, r.Offset+1, r.LeaderEpoch)
		var err error
		switch {
		case r.Attrs.IsControl():
		case r.Topic == pipeline.Processed.Name:
			err = b.Processed(string(r.Key), r.Value)
		case r.Topic == pipeline.Invalid.Name:
			err = b.Invalid(r.Value)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// CatchUp polls until everything that is written at this moment is decided and, where it was committed, on the board.
//
// The end of what is committed would not do: a transaction's marker reaches each partition on its own, so the offsets of
// an application can be committed a moment before its results are.
func (f *Follower) CatchUp(ctx context.Context, b *Board) error {
	ends, err := f.adm.ListEndOffsets(ctx, pipeline.Processed.Name, pipeline.Invalid.Name)
	if err == nil {
		err = ends.Error()
	}
	if err != nil {
		return fmt.Errorf("board: ends of the topics: %w", err)
	}
	behind := func() bool {
		for _, partitions := range ends {
			for _, end := range partitions {
				if at, _ := f.position.Lookup(end.Topic, end.Partition); at.At < end.Offset {
					return true
				}
			}
		}
		return false
	}
	for behind() {
		if err := f.Poll(ctx, b); err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	return nil
}

// Close ends the connections.
func (f *Follower) Close() { f.cl.Close() }
