package testdriver

import (
	"slices"

	"github.com/thalweg/thalweg/processor"
	"github.com/thalweg/thalweg/serde"
	"github.com/thalweg/thalweg/topology"
)

// Output reads one topic from its beginning. All of the application's topics
// can be read, internal ones by their full names.
type Output[K, V any] struct {
	d    *Driver
	t    topology.Topic[K, V]
	next *int // of Driver.records
}

// Output returns a reader of a topic.
func (d *Driver) Output[K, V any](t topology.Topic[K, V]) Output[K, V] {
	return Output[K, V]{d, t, new(int)}
}

// Read returns the next record; the test fails when there is none.
func (o Output[K, V]) Read() processor.Record[K, V] {
	o.d.tb.Helper()
	r, ok := o.take()
	if !ok {
		o.d.tb.Fatalf("testdriver: topic %s has no more records", o.t.Name)
	}
	return r
}

// All returns the records that were not read yet.
func (o Output[K, V]) All() []processor.Record[K, V] {
	o.d.tb.Helper()
	var rs []processor.Record[K, V]
	for {
		r, ok := o.take()
		if !ok {
			return rs
		}
		rs = append(rs, r)
	}
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
func (o Output[K, V]) Empty() bool {
	return !slices.ContainsFunc(o.d.records[*o.next:], func(r processor.RawRecord) bool { return r.Topic == o.t.Name })
}

func (o Output[K, V]) take() (r processor.Record[K, V], ok bool) {
	o.d.tb.Helper()
	for *o.next < len(o.d.records) {
		raw := &o.d.records[*o.next]
		*o.next++
		if raw.Topic != o.t.Name {
			continue
		}
		r.Timestamp, r.Headers = raw.Timestamp, raw.Headers
		var err error
		if r.NullKey, err = decode(o.t.Key, raw.Key, &r.Key); err != nil {
			o.d.tb.Fatalf("testdriver: topic %s: key: %v", o.t.Name, err)
		}
		if r.NullValue, err = decode(o.t.Value, raw.Value, &r.Value); err != nil {
			o.d.tb.Fatalf("testdriver: topic %s: value: %v", o.t.Name, err)
		}
		return r, true
	}
	return r, false
}

// Records returns every record that the topology sent, over all topics and in
// the order of sending, changelogs and repartition topics included. The slice
// belongs to the Driver.
func (d *Driver) Records() []processor.RawRecord { return d.records }

// encode gives nil for a null, and never nil for anything else.
func encode[T any](s serde.Serde[T], v T, isNull bool) ([]byte, error) {
	if test := serde.NullTest(s); isNull || test != nil && test(v) {
		return nil, nil
	}
	b, err := s.Append(nil, v)
	if b == nil {
		b = []byte{}
	}
	return b, err
}

func decode[T any](s serde.Serde[T], b []byte, v *T) (isNull bool, err error) {
	if b == nil {
		return true, nil
	}
	return false, s.Decode(b, v)
}
