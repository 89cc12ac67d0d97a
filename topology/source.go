package topology

import (
	"errors"
	"fmt"

	"github.com/thalweg/thalweg/internal/null"
	"github.com/thalweg/thalweg/processor"
	"github.com/thalweg/thalweg/serde"
)

// source is the typed beginning of a chain for one topic in one task. It
// decodes into its own fields, so that nothing escapes for each record.
type source[K, V any] struct {
	name      string
	t         Topic[K, V]
	ks        serde.Serde[K]
	vs        serde.Serde[V]
	keyNull   func(K) bool
	valueNull func(V) bool
	next      processor.Node[K, V]

	k      K
	v      V
	nk, nv bool
}

func newSource[K, V any](name string, t Topic[K, V], next processor.Node[K, V]) *source[K, V] {
	return &source[K, V]{
		name: name, t: t, next: next,
		ks: serde.ForTask(t.Key), vs: serde.ForTask(t.Value),
		keyNull: null.Test(t.Key), valueNull: null.Test(t.Value),
	}
}

func (s *source[K, V]) Prepare(c *processor.Context, r processor.RawRecord, partitionTime int64) (int64, bool, error) {
	if err := s.decode(r.Key, r.Value); err != nil {
		return 0, false, s.failure(processor.StageDecode, r, err)
	}
	ts, onInvalid := r.Timestamp, s.t.onInvalid
	if s.t.time != nil {
		var err error
		if ts, err = s.extract(r, partitionTime); err != nil {
			return 0, false, s.failure(processor.StageTime, r, err)
		}
		if onInvalid == defaultInvalidTime {
			onInvalid = SkipInvalidTime
		}
	}
	if ts >= 0 {
		return ts, true, nil
	}
	switch onInvalid {
	case SkipInvalidTime:
		c.Drop(processor.DropTime)
		return ts, false, nil
	case PartitionTimeForInvalid:
		if partitionTime >= 0 {
			return partitionTime, true, nil
		}
		return 0, false, s.failure(processor.StageTime, r, fmt.Errorf("timestamp %d is negative, and no record came before it", ts))
	default:
		return 0, false, s.failure(processor.StageTime, r, fmt.Errorf("timestamp %d is negative: see Topic.OnInvalidTime", ts))
	}
}

// decode is apart from Prepare to hold the recover of a serde's panic.
func (s *source[K, V]) decode(key, value []byte) (err error) {
	defer processor.Recover(&err)
	if s.nk = key == nil; s.nk {
		var zero K
		s.k = zero
	} else if err := s.ks.Decode(key, &s.k); err != nil {
		return fmt.Errorf("key: %w", err)
	} else if s.keyNull != nil {
		s.nk = s.keyNull(s.k)
	}
	if s.nv = value == nil; s.nv {
		var zero V
		s.v = zero
	} else if err := s.vs.Decode(value, &s.v); err != nil {
		return fmt.Errorf("value: %w", err)
	} else if s.valueNull != nil {
		s.nv = s.valueNull(s.v)
	}
	return nil
}

func (s *source[K, V]) extract(r processor.RawRecord, partitionTime int64) (ts int64, err error) {
	defer processor.Recover(&err)
	return s.t.time(RecordInfo[K, V]{
		Record: processor.Record[K, V]{
			Key: s.k, Value: s.v, Timestamp: r.Timestamp, Headers: r.Headers, NullKey: s.nk, NullValue: s.nv,
		},
		PartitionTime: partitionTime, Topic: r.Topic, Partition: r.Partition, Offset: r.Offset,
	})
}

func (s *source[K, V]) failure(stage processor.Stage, r processor.RawRecord, err error) error {
	f := &processor.Failure{
		Stage: stage, Node: s.name, Topic: r.Topic, Partition: r.Partition, Offset: r.Offset,
		Timestamp: r.Timestamp, Headers: r.Headers, Err: err,
	}
	if p := (*processor.PanicError)(nil); errors.As(err, &p) {
		f.Stack = p.Stack
	}
	return f
}

func (s *source[K, V]) Run(c *processor.Context) error {
	f := c.Frame()
	f.NullKey, f.NullValue = s.nk, s.nv
	return s.next.Process(c, s.k, s.v)
}
