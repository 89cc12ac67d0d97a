package testdriver

import (
	"time"

	"github.com/thalweg/thalweg/processor"
	"github.com/thalweg/thalweg/topology"
)

// Input writes to one source topic.
type Input[K, V any] struct {
	d *Driver
	t topology.Topic[K, V]
}

// Input returns the writer of a source topic.
func (d *Driver) Input[K, V any](t topology.Topic[K, V]) Input[K, V] {
	d.tb.Helper()
	if len(d.readers[t.Name]) == 0 {
		d.tb.Fatalf("testdriver: topic %q is not a source of the topology", t.Name)
	}
	return Input[K, V]{d, t}
}

// Send sends a record with the time of the wall clock and processes it.
func (in Input[K, V]) Send(k K, v V) {
	in.d.tb.Helper()
	in.SendRecord(processor.Record[K, V]{Key: k, Value: v, Timestamp: in.d.now})
}

// SendAt sends a record with the given time and processes it.
func (in Input[K, V]) SendAt(at time.Time, k K, v V) {
	in.d.tb.Helper()
	in.SendRecord(processor.Record[K, V]{Key: k, Value: v, Timestamp: at.UnixMilli()})
}

// Delete sends a tombstone with the time of the wall clock and processes it.
func (in Input[K, V]) Delete(k K) {
	in.d.tb.Helper()
	in.SendRecord(processor.Record[K, V]{Key: k, NullValue: true, Timestamp: in.d.now})
}

// SendRecord sends a record as it is, headers and null flags included, and
// processes it.
func (in Input[K, V]) SendRecord(r processor.Record[K, V]) {
	in.d.tb.Helper()
	in.Queue(r)
	in.d.check(in.d.run())
}

// Queue adds a record to its topic. It is processed by the next Run or Send.
func (in Input[K, V]) Queue(r processor.Record[K, V]) {
	in.d.tb.Helper()
	raw := processor.RawRecord{Topic: in.t.Name, Partition: -1, Timestamp: r.Timestamp, Headers: r.Headers}
	var err error
	if raw.Key, err = encode(in.t.Key, r.Key, r.NullKey); err != nil {
		in.d.tb.Fatalf("testdriver: topic %s: key: %v", in.t.Name, err)
	}
	if raw.Value, err = encode(in.t.Value, r.Value, r.NullValue); err != nil {
		in.d.tb.Fatalf("testdriver: topic %s: value: %v", in.t.Name, err)
	}
	in.d.QueueRaw(raw)
}

// SendRaw sends bytes and processes them. A negative partition means the one
// that the key belongs to; the offset is ignored.
func (d *Driver) SendRaw(r processor.RawRecord) {
	d.tb.Helper()
	d.QueueRaw(r)
	d.check(d.run())
}

// QueueRaw is SendRaw without processing.
func (d *Driver) QueueRaw(r processor.RawRecord) {
	d.tb.Helper()
	d.check(d.send(r))
}
