package main

import (
	"context"
	"encoding/json/v2"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

const partitions = 4

// bench is one broker and what was preloaded to it.
type bench struct {
	dir, id string
	brokers string
	cl      *kgo.Client
	adm     *kadm.Client
	n       int // runs so far
}

// result is what one run took. Times and rates are of the part from 20 % of the
// work to its end, so that the start is left out.
type result struct {
	suffix string
	cpu    float64 // microseconds for each record of the input
	rate   float64 // records of the input each second
	memory int64   // peak, bytes
	other  float64 // processors used by others, the broker among them, % of one
}

func (b *bench) create(ctx context.Context, topics []string, suffix string) error {
	for _, t := range topics {
		if _, err := b.adm.CreateTopic(ctx, partitions, -1, nil, t+suffix); err != nil {
			return err
		}
	}
	return nil
}

// preload writes a program's input.
func (b *bench) preload(ctx context.Context, name string, data input, n int) error {
	suffix := "-" + name + "-" + b.id
	if err := b.create(ctx, data.in, suffix); err != nil {
		return err
	}
	base := time.Now().Add(-3 * time.Hour).Truncate(time.Minute)
	failed := make(chan error, 1)
	data.records(n, base, func(r *kgo.Record) {
		r.Topic += suffix
		b.cl.Produce(ctx, r, func(_ *kgo.Record, err error) {
			if err != nil {
				select {
				case failed <- err:
				default:
				}
			}
		})
	})
	if err := b.cl.Flush(ctx); err != nil {
		return err
	}
	select {
	case err := <-failed:
		return err
	default:
		return nil
	}
}

// sample is how far a run was when.
type sample struct {
	at        time.Time
	committed int64 // over all topics of the group
	cpu, busy time.Duration
}

// measure runs one program over its input until all of it is committed.
func (b *bench) measure(ctx context.Context, name, guarantee, command string) (res result, err error) {
	data, in := inputs[name], "-"+name+"-"+b.id
	b.n++
	app := fmt.Sprintf("%s-%s-%d", name, b.id, b.n)
	res.suffix = "-" + app
	if err := b.create(ctx, data.out, res.suffix); err != nil {
		return res, err
	}
	want := map[string]int64{}
	for _, t := range data.in {
		ends, err := b.adm.ListEndOffsets(ctx, t+in)
		if err != nil {
			return res, err
		}
		ends.Each(func(o kadm.ListedOffset) { want[fmt.Sprint(o.Topic, o.Partition)] = o.Offset })
	}
	var inputRecords int64
	for _, n := range want {
		inputRecords += n
	}
	state := filepath.Join(b.dir, app)
	defer os.RemoveAll(state)
	p, err := start(command, name, "-bootstrap", b.brokers, "-app-id", app, "-state-dir", state,
		"-in-suffix", in, "-out-suffix", res.suffix, "-guarantee", guarantee)
	if err != nil {
		return res, err
	}
	defer p.stop()
	samples, err := b.watch(ctx, p, app, want)
	if err != nil {
		return res, err
	}
	if res.memory, err = p.peak(); err != nil {
		return res, err
	}
	last := samples[len(samples)-1]
	first := samples[0]
	for _, s := range samples[:len(samples)-1] {
		if first = s; s.committed*5 >= last.committed {
			break
		}
	}
	records := float64(inputRecords) * float64(last.committed-first.committed) / float64(last.committed)
	took := last.at.Sub(first.at)
	res.cpu = float64((last.cpu - first.cpu).Microseconds()) / records
	res.rate = records / took.Seconds()
	res.other = 100 * float64(last.busy-first.busy-(last.cpu-first.cpu)) / float64(took)
	return res, p.stop()
}

// quiet is how long nothing may be committed before a run counts as finished.
const quiet = 5 * time.Second

// watch follows a group until the input is committed and nothing more comes. The
// last sample is that of the last commit.
func (b *bench) watch(ctx context.Context, p *process, group string, want map[string]int64) ([]sample, error) {
	samples := []sample{{at: time.Now()}}
	var err error
	if samples[0].busy, err = busy(); err != nil {
		return nil, err
	}
	for {
		if ended, err := p.ended(); ended {
			return nil, fmt.Errorf("ended by itself: %w", err)
		}
		offsets, err := b.adm.FetchOffsets(ctx, group)
		if err != nil {
			return nil, err
		}
		s := sample{at: time.Now()}
		rest := maps.Clone(want)
		offsets.Each(func(o kadm.OffsetResponse) {
			s.committed += o.At
			if key := fmt.Sprint(o.Topic, o.Partition); o.At >= rest[key] {
				delete(rest, key)
			}
		})
		var err1, err2 error
		s.cpu, err1 = p.taken()
		s.busy, err2 = busy()
		if err1 != nil || err2 != nil {
			return nil, fmt.Errorf("%w, %w", err1, err2)
		}
		if end := samples[len(samples)-1]; s.committed != end.committed {
			samples = append(samples, s)
		} else if len(rest) == 0 && s.at.Sub(end.at) > quiet {
			return samples, nil
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(40 * time.Millisecond):
		}
	}
}

// same compares the last value of each key that two runs wrote.
func (b *bench) same(ctx context.Context, name, ours, theirs string) error {
	for _, topic := range inputs[name].out {
		o, err := b.final(ctx, topic+ours)
		if err != nil {
			return err
		}
		t, err := b.final(ctx, topic+theirs)
		if err != nil {
			return err
		}
		for key, v := range t {
			if o[key] != v {
				return fmt.Errorf("topic %s, key %s: ours has %s, Kafka Streams %s", topic, key, o[key], v)
			}
		}
		if len(o) != len(t) {
			return fmt.Errorf("topic %s: ours has %d keys, Kafka Streams %d", topic, len(o), len(t))
		}
	}
	return nil
}

// final reads a topic to its end and returns each key's last value, JSON in one
// spelling.
func (b *bench) final(ctx context.Context, topic string) (map[string]string, error) {
	ends, err := b.adm.ListCommittedOffsets(ctx, topic)
	if err != nil {
		return nil, err
	}
	left := map[int32]int64{}
	ends.Each(func(o kadm.ListedOffset) {
		if o.Offset > 0 {
			left[o.Partition] = o.Offset
		}
	})
	cl, err := kgo.NewClient(kgo.SeedBrokers(b.brokers), kgo.ConsumeTopics(topic), kgo.KeepControlRecords(),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		return nil, err
	}
	defer cl.Close()
	last := map[string]string{}
	for len(left) > 0 {
		fetches := cl.PollFetches(ctx)
		if err := fetches.Err0(); err != nil {
			return nil, err
		}
		fetches.EachRecord(func(r *kgo.Record) {
			if !r.Attrs.IsControl() {
				last[string(r.Key)] = canonical(r.Value)
			}
			if r.Offset+1 >= left[r.Partition] {
				delete(left, r.Partition)
			}
		})
	}
	return last, nil
}

func canonical(value []byte) string {
	var v any
	if json.Unmarshal(value, &v) != nil {
		return fmt.Sprintf("%x", value)
	}
	b, err := json.Marshal(v, json.Deterministic(true))
	if err != nil {
		return fmt.Sprintf("%x", value)
	}
	return string(b)
}
