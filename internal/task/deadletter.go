package task

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/thalweg/thalweg/processor"
)

// The headers of a dead letter (KIP-1034), in this order after the headers of
// the record that failed.
const (
	headerException  = "__streams.errors.exception"
	headerMessage    = "__streams.errors.message"
	headerStackTrace = "__streams.errors.stacktrace"
	headerTopic      = "__streams.errors.topic"
	headerPartition  = "__streams.errors.partition"
	headerOffset     = "__streams.errors.offset"
)

var errNoDeadLetters = errors.New("task: the failure handler asks for a dead letter, but no dead-letter topic is configured")

// failed asks the application what to do about a failure and does it. It
// returns nil to go on without the record.
func (t *Task) failed(c *processor.Context, f *processor.Failure) error {
	action := processor.Fail
	if t.onFailure != nil {
		action = t.onFailure(c, f)
	}
	switch action {
	case processor.Skip:
		return nil
	case processor.DeadLetter:
		return t.deadLetter(f)
	case processor.Retry:
		return processor.Fatal(&processor.RetryError{Failure: f})
	}
	return f
}

// deadLetter sends the raw input record. A failure without one (in a
// punctuation, or while a cache is flushed after its record) has no key and no
// value; one without a topic has a null for it.
func (t *Task) deadLetter(f *processor.Failure) error {
	if t.deadLetters == "" {
		return processor.Fatal(fmt.Errorf("%w; the failure was: %w", errNoDeadLetters, f))
	}
	var key, value []byte
	if f.Raw != nil {
		key, value = f.Raw.Key, f.Raw.Value
	} else if q := t.current; q != nil && q.topic == f.Topic && q.head.Offset == f.Offset {
		key, value = q.head.Key, q.head.Value
	}
	cause := f.Err
	if p, ok := cause.(*processor.PanicError); ok && p.Unwrap() != nil {
		cause = p.Unwrap()
	}
	stack := string(f.Stack)
	if stack == "" {
		stack = f.Error()
	}
	var topic []byte
	if f.Topic != "" {
		topic = []byte(f.Topic)
	}
	h := append(make(processor.Headers, 0, len(f.Headers)+6), f.Headers...)
	h = append(h,
		processor.Header{Key: headerException, Value: fmt.Appendf(nil, "%T", cause)},
		processor.Header{Key: headerMessage, Value: []byte(cause.Error())},
		processor.Header{Key: headerStackTrace, Value: []byte(stack)},
		processor.Header{Key: headerTopic, Value: topic},
		processor.Header{Key: headerPartition, Value: strconv.AppendInt(nil, int64(f.Partition), 10)},
		processor.Header{Key: headerOffset, Value: strconv.AppendInt(nil, f.Offset, 10)},
	)
	return processor.Fatal(t.collector.Send(t.deadLetters, -1, key, value, f.Timestamp, h))
}
