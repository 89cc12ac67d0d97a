package trial

import (
	"context"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/thalweg/thalweg/internal/trial/spec"
)

// sender sends the input, and knows how much of it is processed.
type sender struct {
	client *kgo.Client
	admin  *kadm.Client
	pace   time.Duration // for the streams of a chapter
}

func newSender(brokers []string, pace time.Duration) (*sender, error) {
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.AlwaysRetryEOF(),
		kgo.MetadataMinAge(50*time.Millisecond), kgo.RetryTimeout(time.Minute))
	if err != nil {
		return nil, err
	}
	return &sender{client: client, admin: kadm.NewClient(client), pace: pace}, nil
}

func (s *sender) close() { s.client.Close() }

// createTopics waits for the broker and makes the topics, which keep records of any age.
func (s *sender) createTopics(ctx context.Context) error {
	for s.client.Ping(ctx) != nil {
		if ctx.Err() != nil {
			return fmt.Errorf("no broker answers: %w", context.Cause(ctx))
		}
		time.Sleep(10 * time.Millisecond)
	}
	forever := "-1"
	config := map[string]*string{"retention.ms": &forever}
	for _, names := range [][]string{spec.Ins, spec.Outs} {
		made, err := s.admin.CreateTopics(ctx, spec.Partitions, 1, config, names...)
		if err != nil {
			return err
		}
		if err := made.Error(); err != nil {
			return err
		}
	}
	return nil
}

// send sends a chapter, each part when what comes before is processed.
func (s *sender) send(ctx context.Context, c chapter) error {
	for _, part := range []struct {
		records []*kgo.Record
		pace    time.Duration
		wait    time.Duration
	}{{c.tables, 0, 0}, {c.streams, s.pace, 0}, {c.closing, 0, time.Second}, {c.last, 0, 0}} {
		if err := s.produce(ctx, part.records, part.pace); err != nil {
			return err
		}
		if err := s.processed(ctx); err != nil {
			return err
		}
		time.Sleep(part.wait)
	}
	return nil
}

// steps is in how many steps paced records are sent.
const steps = 50

func (s *sender) produce(ctx context.Context, records []*kgo.Record, pace time.Duration) error {
	for i := range steps {
		now := records[len(records)*i/steps : len(records)*(i+1)/steps]
		if err := s.client.ProduceSync(ctx, now...).FirstErr(); err != nil {
			return fmt.Errorf("send input: %w", err)
		}
		time.Sleep(pace / steps)
	}
	return nil
}

// processed waits until the application has committed the end of all inputs.
func (s *sender) processed(ctx context.Context) error {
	for {
		behind, err := s.behind(ctx)
		if err == nil && behind == "" {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w: %s is not processed (%v)", context.Cause(ctx), behind, err)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// behind names a partition of an input that is not processed to its end.
func (s *sender) behind(ctx context.Context) (string, error) {
	ends, err := s.admin.ListEndOffsets(ctx, spec.Ins...)
	if err == nil {
		err = ends.Error()
	}
	if err != nil {
		return "", err
	}
	committed, err := s.admin.FetchOffsets(ctx, application)
	if err == nil {
		err = committed.Error()
	}
	if err != nil {
		return "", err
	}
	behind := ""
	ends.Each(func(o kadm.ListedOffset) {
		c, ok := committed.Lookup(o.Topic, o.Partition)
		if o.Offset > 0 && (!ok || c.At < o.Offset) {
			behind = fmt.Sprintf("%s/%d: %d of %d", o.Topic, o.Partition, c.At, o.Offset)
		}
	})
	return behind, nil
}
