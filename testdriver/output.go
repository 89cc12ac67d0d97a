package testdriver

import (
	"fmt"

	"github.com/thalweg/thalweg/processor"
	"github.com/thalweg/thalweg/serde"
	"github.com/thalweg/thalweg/topology"
)

// Output reads one topic from its beginning. All of the application's topics
// can be read, internal ones by their full names.
type Output[K, V any] struct {
	d    *Driver
	t    topology.Topic[K, V]
	log  *topicLog
	next *int // of log.rows
}

// Output returns a reader of a topic.
func (d *Driver) Output[K, V any](t topology.Topic[K, V]) Output[K, V] {
	return Output[K, V]{d, t, d.topic(t.Name), new(int)}
}

// Read returns the next record; the test fails when there is none.
func (o Output[K, V]) Read() processor.Record[K, V] {
	r, err := o.read()
	if err != nil {
		o.d.tb.Helper()
		o.d.check(err)
	}
	return r
}

// All returns the records that were not read yet.
func (o Output[K, V]) All() []processor.Record[K, V] {
	if o.Empty() {
		return nil
	}
	rs := make([]processor.Record[K, V], len(o.log.rows)-*o.next)
	for i := range rs {
		var err error
		if rs[i], err = o.read(); err != nil {
			o.d.tb.Helper()
			o.d.check(err)
		}
	}
	return rs
}

// ReadMap returns the last value of each key among the records of o that were
// not read yet, without the keys whose last value is null.
func ReadMap[K comparable, V any](o Output[K, V]) map[K]V {
	o.d.tb.Helper()
	m := map[K]V{}
	for _, r := range o.All() {
		if r.NullValue {
			delete(m, r.Key)
		} else {
			m[r.Key] = r.Value
		}
	}
	return m
}

// Empty reports whether all records of the topic were read.
func (o Output[K, V]) Empty() bool { return *o.next == len(o.log.rows) }

func (o Output[K, V]) read() (r processor.Record[K, V], err error) {
	if o.Empty() {
		return r, fmt.Errorf("topic %s has no more records", o.t.Name)
	}
	i := int(o.log.rows[*o.next])
	*o.next++
	row := o.d.log.row(i)
	r.Timestamp, r.Headers = row.timestamp, o.d.log.headersOf(i)
	key, value := o.d.log.bytes(row)
	if r.NullKey, err = decode(o.t.Key, key, &r.Key); err != nil {
		return r, fmt.Errorf("topic %s: key: %w", o.t.Name, err)
	}
	if r.NullValue, err = decode(o.t.Value, value, &r.Value); err != nil {
		return r, fmt.Errorf("topic %s: value: %w", o.t.Name, err)
	}
	return r, nil
}

// Records returns every record that the topology sent, over all topics and in
// the order of sending, changelogs and repartition topics included. The slice
// belongs to the Driver.
func (d *Driver) Records() []processor.RawRecord {
	for i := len(d.records); i < d.delivered; i++ {
		d.records = append(d.records, d.raw(i))
	}
	return d.records
}

func decode[T any](s serde.Serde[T], b []byte, v *T) (isNull bool, err error) {
	if b == nil {
		return true, nil
	}
	return false, s.Decode(b, v)
}
