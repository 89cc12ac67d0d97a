package testdriver

import (
	"fmt"
	"time"

	"github.com/thalweg/thalweg/processor"
	"github.com/thalweg/thalweg/serde"
	"github.com/thalweg/thalweg/topology"
)

// Input writes to one source topic.
type Input[K, V any] struct {
	d     *Driver
	t     topology.Topic[K, V]
	clock *inputClock // nil: the wall clock
}

// inputClock gives each record the time after that of the one before.
type inputClock struct{ now, step int64 }

// next is the time of the record to be sent.
func (in Input[K, V]) next() int64 {
	if in.clock == nil {
		return in.d.now
	}
	now := in.clock.now
	in.clock.now += in.clock.step
	return now
}

// From returns a writer of the same topic with a time of its own: the next
// record that is sent without a time has start, each one after it is step later.
// The wall clock stays as it is.
func (in Input[K, V]) From(start time.Time, step time.Duration) Input[K, V] {
	if step < 0 {
		in.d.tb.Helper()
		in.d.check(fmt.Errorf("From with a step of %v: time does not go back", step))
	}
	in.clock = &inputClock{start.UnixMilli(), step.Milliseconds()}
	return in
}

// Input returns the writer of a source topic, or of any that matches a source's
// pattern.
func (d *Driver) Input[K, V any](t topology.Topic[K, V]) Input[K, V] {
	d.tb.Helper()
	if len(d.topic(t.Name).readers) == 0 {
		d.tb.Fatalf("testdriver: topic %q is not a source of the topology", t.Name)
	}
	return Input[K, V]{d: d, t: t}
}

// Send sends a record with the time of the wall clock, or of From, and processes
// it.
func (in Input[K, V]) Send(k K, v V) {
	if err := in.process(processor.Record[K, V]{Key: k, Value: v, Timestamp: in.next()}); err != nil {
		in.d.tb.Helper()
		in.d.check(err)
	}
}

// SendAt sends a record with the given time and processes it.
func (in Input[K, V]) SendAt(at time.Time, k K, v V) {
	if err := in.process(processor.Record[K, V]{Key: k, Value: v, Timestamp: at.UnixMilli()}); err != nil {
		in.d.tb.Helper()
		in.d.check(err)
	}
}

// Delete sends a tombstone with the time of the wall clock, or of From, and
// processes it.
func (in Input[K, V]) Delete(k K) {
	if err := in.process(processor.Record[K, V]{Key: k, NullValue: true, Timestamp: in.next()}); err != nil {
		in.d.tb.Helper()
		in.d.check(err)
	}
}

// SendRecord sends a record as it is, headers and null flags included, and
// processes it.
func (in Input[K, V]) SendRecord(r processor.Record[K, V]) {
	if err := in.process(r); err != nil {
		in.d.tb.Helper()
		in.d.check(err)
	}
}

// Queue adds a record to its topic. It is processed by the next Run or Send.
func (in Input[K, V]) Queue(r processor.Record[K, V]) {
	if err := in.queue(r); err != nil {
		in.d.tb.Helper()
		in.d.check(err)
	}
}

func (in Input[K, V]) process(r processor.Record[K, V]) error {
	if err := in.queue(r); err != nil {
		return err
	}
	return in.d.run()
}

func (in Input[K, V]) queue(r processor.Record[K, V]) (err error) {
	raw := processor.RawRecord{Topic: in.t.Name, Partition: -1, Timestamp: r.Timestamp, Headers: r.Headers}
	if raw.Key, err = encode(in.t.Key, in.d.key[:0], r.Key, r.NullKey); err != nil {
		return fmt.Errorf("topic %s: key: %w", in.t.Name, err)
	}
	if raw.Value, err = encode(in.t.Value, in.d.value[:0], r.Value, r.NullValue); err != nil {
		return fmt.Errorf("topic %s: value: %w", in.t.Name, err)
	}
	if raw.Key != nil {
		in.d.key = raw.Key
	}
	if raw.Value != nil {
		in.d.value = raw.Value
	}
	return in.d.send(&raw)
}

// SendRaw sends bytes and processes them. A negative partition means the one
// that the key belongs to; the offset is ignored.
func (d *Driver) SendRaw(r processor.RawRecord) {
	err := d.send(&r)
	if err == nil {
		err = d.run()
	}
	if err != nil {
		d.tb.Helper()
		d.check(err)
	}
}

// QueueRaw is SendRaw without processing.
func (d *Driver) QueueRaw(r processor.RawRecord) {
	if err := d.send(&r); err != nil {
		d.tb.Helper()
		d.check(err)
	}
}

// encode appends to dst. It gives nil for a null, and never nil for anything
// else.
func encode[T any](s serde.Serde[T], dst []byte, v T, isNull bool) ([]byte, error) {
	if test := serde.NullTest(s); isNull || test != nil && test(v) {
		return nil, nil
	}
	b, err := s.Append(dst, v)
	if b == nil {
		b = []byte{}
	}
	return b, err
}
