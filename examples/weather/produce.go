package main

import (
	"context"
	"fmt"
	"io"
	"iter"
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
// in order of time, so an interrupted replay goes on behind the last row of each station.
func (r *replay) resume(ctx context.Context, brokers []string, say io.Writer) error {
	have, there, err := readRows(ctx, brokers)
	if err != nil || there == 0 {
		return err
	}
	r.sent.Store(there)
	rest := r.observations
	r.observations = func(yield func(readings.Observation) bool) {
		skip := make(map[string]lastRows, len(have))
		for station, l := range have {
			skip[station] = *l
		}
		for o := range rest {
			l := skip[o.Station]
			if o.At.Before(l.at) {
				continue
			}
			if o.At.Equal(l.at) && l.n > 0 {
				l.n--
				skip[o.Station] = l
				continue
			}
			if !yield(o) {
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

// lastRows is how far a station's rows go: to a time, and how many have that time.
type lastRows struct {
	at time.Time
	n  int
}

// readRows finds the last rows of each station in the raw topic, and how many rows it was given in all.
func readRows(ctx context.Context, brokers []string) (have map[string]*lastRows, there int64, err error) {
	cl, err := newClient(brokers, kgo.ConsumeTopics(pipeline.Raw.Name), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		return nil, 0, err
	}
	defer cl.Close()
	adm := kadm.NewClient(cl)
	starts, err := adm.ListStartOffsets(ctx, pipeline.Raw.Name)
	if err == nil {
		err = starts.Error()
	}
	if err != nil {
		return nil, 0, fmt.Errorf("start of %s: %w", pipeline.Raw.Name, err)
	}
	ends, err := adm.ListEndOffsets(ctx, pipeline.Raw.Name)
	if err == nil {
		err = ends.Error()
	}
	if err != nil {
		return nil, 0, fmt.Errorf("end of %s: %w", pipeline.Raw.Name, err)
	}
	unread := map[int32]int64{} // partitions, to which offset
	ends.Each(func(o kadm.ListedOffset) {
		there += o.Offset
		first, _ := starts.Lookup(o.Topic, o.Partition)
		switch {
		case first.Offset < o.Offset:
			unread[o.Partition] = o.Offset
		case o.Offset > 0:
			err = fmt.Errorf("the %d rows of topic %s partition %d were deleted, so there is no telling where to go on: delete the topic, or begin with a new broker (retention.ms of the topic has to be -1)", o.Offset, o.Topic, o.Partition)
		}
	})
	have = map[string]*lastRows{}
	for err == nil && len(unread) > 0 {
		fetches := cl.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return nil, 0, fmt.Errorf("read %s: %w", pipeline.Raw.Name, err)
		}
		for r := range fetches.RecordsAll() {
			l := have[string(r.Key)]
			if l == nil {
				l = &lastRows{}
				have[string(r.Key)] = l
			}
			if !r.Timestamp.Equal(l.at) {
				*l = lastRows{at: r.Timestamp}
			}
			l.n++
			if end, ok := unread[r.Partition]; ok && r.Offset+1 >= end {
				delete(unread, r.Partition)
			}
		}
	}
	return have, there, err
}
