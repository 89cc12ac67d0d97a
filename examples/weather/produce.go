package main

import (
	"context"
	"fmt"
	"io"
	"iter"
	"maps"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/thalweg/thalweg/examples/weather/pipeline"
	"github.com/thalweg/thalweg/examples/weather/readings"
)

// replay writes observations to the raw topic, keyed by station, each at the moment it is due.
type replay struct {
	observations iter.Seq[readings.Observation]
	airports     []readings.Airport
	speed        time.Duration // in which the year passes; 0: as fast as it goes
	sent         atomic.Int64  // rows acknowledged, those of earlier runs included
}

// newReplay prepares the real year, or a fleet where stations is not 0.
func newReplay(stations int, speed time.Duration) (*replay, error) {
	r := &replay{speed: speed}
	var err error
	if stations > 0 {
		r.observations, r.airports, err = readings.Fleet(stations)
		return r, err
	}
	if r.observations, err = readings.Year(); err != nil {
		return nil, err
	}
	r.airports, err = readings.Airports()
	return r, err
}

// resume finds out what the raw topic holds already. The producer is idempotent and a station's rows go to one partition
// in order, so these are the first rows of each station: an interrupted replay goes on where it stopped.
func (r *replay) resume(ctx context.Context, brokers []string, say io.Writer) error {
	have, err := countRows(ctx, brokers)
	if err != nil {
		return err
	}
	if len(have) == 0 {
		return nil
	}
	var there int64
	for _, n := range have {
		there += int64(n)
	}
	r.sent.Store(there)
	rest := r.observations
	r.observations = func(yield func(readings.Observation) bool) {
		skip := maps.Clone(have)
		for o := range rest {
			if skip[o.Station] > 0 {
				skip[o.Station]--
			} else if !yield(o) {
				return
			}
		}
	}
	for o := range r.observations {
		fmt.Fprintf(say, "resumed at %s: %s rows were there\n", o.At.Format("2006-01-02 15:04"), thousands(there))
		return nil
	}
	fmt.Fprintf(say, "resumed at the end of the year: all %s rows were there\n", thousands(there))
	return nil
}

// run writes the airports, unless rows were there, and the rows.
func (r *replay) run(ctx context.Context, brokers []string) error {
	cl, err := newClient(brokers, kgo.ProducerLinger(5*time.Millisecond), kgo.ProducerBatchCompression(kgo.NoCompression()))
	if err != nil {
		return err
	}
	defer cl.Close()
	if r.sent.Load() == 0 {
		if err := r.writeAirports(ctx, cl); err != nil {
			return err
		}
	}
	var failure atomic.Pointer[error]
	start, first := time.Now(), time.Time{}
	for o := range r.observations {
		if first.IsZero() {
			first = o.At
		}
		if r.wait(ctx, start, o.At.Sub(first)) != nil || failure.Load() != nil {
			break
		}
		cl.Produce(ctx, &kgo.Record{Topic: pipeline.Raw.Name, Key: []byte(o.Station), Value: []byte(o.Row), Timestamp: o.At},
			func(_ *kgo.Record, err error) {
				if err != nil {
					failure.CompareAndSwap(nil, &err)
					return
				}
				r.sent.Add(1)
			})
	}
	if err := cl.Flush(ctx); err != nil {
		return err
	}
	if err := failure.Load(); err != nil {
		return fmt.Errorf("replay: %w", *err)
	}
	return ctx.Err()
}

// wait sleeps until an observation that lies after the first one is due.
func (r *replay) wait(ctx context.Context, start time.Time, after time.Duration) error {
	const year = 365 * 24 * time.Hour
	if r.speed <= 0 {
		return ctx.Err()
	}
	due := time.Until(start.Add(time.Duration(float64(after) / float64(year) * float64(r.speed))))
	if due < time.Millisecond {
		return ctx.Err()
	}
	t := time.NewTimer(due)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// writeAirports fills the table, with timestamps before the first observation.
func (r *replay) writeAirports(ctx context.Context, cl *kgo.Client) error {
	before := time.Date(2013, 1, 1, 0, 0, 0, 0, time.UTC)
	var records []*kgo.Record
	for _, a := range r.airports {
		value, err := pipeline.Airports.Value.Append(nil, pipeline.Airport{Name: a.Name, Lat: a.Lat, Lon: a.Lon})
		if err != nil {
			return err
		}
		records = append(records, &kgo.Record{Topic: pipeline.Airports.Name, Key: []byte(a.Code), Value: value, Timestamp: before})
	}
	return cl.ProduceSync(ctx, records...).FirstErr()
}

// countRows counts the rows of each station in the raw topic.
func countRows(ctx context.Context, brokers []string) (map[string]int, error) {
	cl, err := newClient(brokers, kgo.ConsumeTopics(pipeline.Raw.Name), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		return nil, err
	}
	defer cl.Close()
	ends, err := kadm.NewClient(cl).ListEndOffsets(ctx, pipeline.Raw.Name)
	if err == nil {
		err = ends.Error()
	}
	if err != nil {
		return nil, fmt.Errorf("end of %s: %w", pipeline.Raw.Name, err)
	}
	var left int64
	ends.Each(func(o kadm.ListedOffset) { left += o.Offset })
	have := map[string]int{}
	for left > 0 {
		fetches := cl.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return nil, fmt.Errorf("read %s: %w", pipeline.Raw.Name, err)
		}
		for r := range fetches.RecordsAll() {
			have[string(r.Key)]++
			left--
		}
	}
	return have, nil
}
