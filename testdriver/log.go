package testdriver

import (
	"fmt"

	"github.com/thalweg/thalweg/internal/murmur2"
	"github.com/thalweg/thalweg/internal/task"
	"github.com/thalweg/thalweg/processor"
)

// topicLog is one topic: its records, if they are needed again, and the next
// offset of each partition.
type topicLog struct {
	next    []int64
	records [][]processor.RawRecord // by partition
	turn    int32                   // for records without a key
	placed  bool                    // a sink chose the partitions
}

func (d *Driver) topic(name string) *topicLog {
	t := d.topics[name]
	if t == nil {
		n := d.partitionsOf(name)
		t = &topicLog{next: make([]int64, n), records: make([][]processor.RawRecord, n)}
		d.topics[name] = t
	}
	return t
}

// partition chooses a partition as a producer does.
func (t *topicLog) partition(key []byte) int32 {
	n := int32(len(t.next))
	if key == nil {
		t.turn++
		return (t.turn - 1) % n
	}
	return murmur2.Partition(key, n)
}

// append gives r its offset.
func (t *topicLog) append(r *processor.RawRecord, keep bool) {
	r.Offset = t.next[r.Partition]
	t.next[r.Partition]++
	if keep {
		t.records[r.Partition] = append(t.records[r.Partition], *r)
	}
}

// Send stages a record; it implements processor.Collector for a task.
func (u *unit) Send(topic string, partition int32, key, value []byte, ts int64, h processor.Headers) error {
	d := u.d
	t := d.topic(topic)
	if partition < 0 {
		partition = t.partition(key)
	} else if partition >= int32(len(t.next)) {
		return fmt.Errorf("testdriver: topic %s has no partition %d", topic, partition)
	} else if _, changelog := u.suffix[topic]; changelog {
		if err := u.checkPlace(topic, key); err != nil {
			return err
		}
	} else if !t.placed && key != nil && partition != t.partition(key) {
		t.placed = true
	}
	d.staged = append(d.staged, processor.RawRecord{
		Topic: topic, Partition: partition, Timestamp: ts, Headers: h,
		Key: d.bytes.copy(key), Value: d.bytes.copy(value),
	})
	return nil
}

// PartitionsOf implements processor.Collector.
func (u *unit) PartitionsOf(topic string) (int32, error) { return u.d.partitionsOf(topic), nil }

// arena copies small byte slices into large ones. They live as long as any of
// their neighbours.
type arena struct{ free []byte }

func (a *arena) copy(b []byte) []byte {
	if b == nil {
		return nil
	}
	if len(b) > cap(a.free)-len(a.free) {
		if len(b) > 4<<10 {
			return append([]byte{}, b...)
		}
		a.free = make([]byte, 0, 32<<10)
	}
	n := len(a.free)
	a.free = append(a.free, b...)
	return a.free[n:len(a.free):len(a.free)]
}

// one is a batch of one record.
type one struct {
	d    *Driver
	r    task.Record
	done bool
}

func (o *one) Next(r *task.Record) (bool, error) {
	if o.done {
		return false, nil
	}
	*r, o.done = o.r, true
	return true, nil
}

func (o *one) End() int64 { return o.r.Offset + 1 }

func (o *one) Release() {
	o.r = task.Record{}
	o.d.spare = append(o.d.spare, o)
}

func (d *Driver) batch(r *processor.RawRecord) *one {
	var o *one
	if n := len(d.spare); n > 0 {
		o, d.spare = d.spare[n-1], d.spare[:n-1]
	} else {
		o = &one{d: d}
	}
	o.done = false
	o.r = task.Record{Offset: r.Offset, Timestamp: r.Timestamp, Key: r.Key, Value: r.Value, Headers: r.Headers}
	return o
}
