package testdriver

import (
	"fmt"
	"slices"

	"github.com/thalweg/thalweg/internal/murmur2"
	"github.com/thalweg/thalweg/internal/task"
	"github.com/thalweg/thalweg/processor"
)

// topicLog is one topic: who reads it, the next offset of each partition and, if
// they are needed again, its records.
type topicLog struct {
	name    string
	id      int32
	readers []*unit // those that read it as a source; a global store comes last
	rows    []int32 // of the log, as far as they are delivered
	next    []int64
	records [][]processor.RawRecord // by partition
	turn    int32                   // for records without a key
	placed  bool                    // a sink chose the partitions
}

func (d *Driver) topic(name string) *topicLog {
	t := d.byName[name]
	if t == nil {
		n := d.partitionsOf(name)
		t = &topicLog{name: name, id: int32(len(d.topics)), next: make([]int64, n), records: make([][]processor.RawRecord, n)}
		d.byName[name] = t
		d.topics = append(d.topics, t)
		d.check(d.follow(t))
	}
	return t
}

// follow has a topic that is seen for the first time read by the tasks with a
// pattern that it matches.
func (d *Driver) follow(t *topicLog) error {
	sub, ok, err := d.topo.Matches(d.cfg.appID, t.name)
	if !ok || err != nil {
		return err
	}
	d.matched = append(d.matched, t.name)
	if d.topo, err = d.topo.Over(d.cfg.appID, d.matched); err != nil {
		return err
	}
	for _, u := range d.tasks {
		if slices.Contains(u.subs, sub) && int(u.partition) < len(t.next) {
			t.readers = append(t.readers, u)
			if u.task != nil { // one that is being started again finds it in the topology
				u.task.Follow(t.name)
			}
		}
	}
	return nil
}

// partition chooses a partition as a producer does.
func (t *topicLog) partition(key []byte) int32 {
	n := int32(len(t.next))
	if n == 1 {
		return 0
	}
	if key == nil {
		t.turn++
		return (t.turn - 1) % n
	}
	return murmur2.Partition(key, n)
}

// append gives a record its offset.
func (t *topicLog) append(partition int32) (offset int64) {
	offset = t.next[partition]
	t.next[partition]++
	return offset
}

// place gives row i of the log its offset in its topic.
func (d *Driver) place(i int) {
	r := d.log.row(i)
	t := d.topics[r.topic]
	r.offset = t.append(r.partition)
	if d.keeps() {
		t.records[r.partition] = append(t.records[r.partition], d.raw(i))
	}
}

// raw is row i of the log as a record.
func (d *Driver) raw(i int) processor.RawRecord {
	r := d.log.row(i)
	key, value := d.log.bytes(r)
	return processor.RawRecord{
		Topic: d.topics[r.topic].name, Partition: r.partition, Offset: r.offset, Timestamp: r.timestamp,
		Key: key, Value: value, Headers: d.log.headersOf(i),
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
	d.log.add(t.id, partition, key, value, ts, h)
	return nil
}

// PartitionsOf implements processor.Collector.
func (u *unit) PartitionsOf(topic string) (int32, error) { return u.d.partitionsOf(topic), nil }

// one is a batch of one record. It is used again once it is released.
type one struct {
	d    *Driver
	r    task.Record
	done bool
	own  []byte // the bytes of a record that is not kept
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

// batch makes a batch of a record. It copies the bytes unless they are kept.
func (d *Driver) batch(r *processor.RawRecord, kept bool) *one {
	var o *one
	if n := len(d.spare); n > 0 {
		o, d.spare = d.spare[n-1], d.spare[:n-1]
	} else {
		o = &one{d: d}
	}
	o.done = false
	o.r = task.Record{Offset: r.Offset, Timestamp: r.Timestamp, Key: r.Key, Value: r.Value, Headers: r.Headers}
	if kept {
		return o
	}
	o.own = append(append(o.own[:0], r.Key...), r.Value...)
	n := len(r.Key)
	if r.Key != nil {
		o.r.Key = o.own[:n:n]
	}
	if r.Value != nil {
		o.r.Value = o.own[n:len(o.own):len(o.own)]
	}
	return o
}
