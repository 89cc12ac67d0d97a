package processor

import (
	"errors"
	"fmt"
	"runtime/debug"
)

// Stage says what was being done when something failed.
type Stage uint8

const (
	StageDecode    Stage = iota + 1 // a source could not decode a key or value
	StageTime                       // a source found no valid timestamp
	StageProcess                    // a user's function or processor failed
	StagePunctuate                  // a scheduled function failed
	StageEncode                     // a sink could not encode a key or value
	StageProduce                    // a record could not be written
)

var stageNames = [...]string{"", "decode", "time", "process", "punctuate", "encode", "produce"}

func (s Stage) String() string {
	if int(s) < len(stageNames) {
		return stageNames[s]
	}
	return fmt.Sprintf("stage(%d)", uint8(s))
}

// Failure is one failure of user code or of a record, as it is shown to the
// application's failure handler. Node is the innermost node that failed.
type Failure struct {
	Stage     Stage
	Node      string
	Topic     string // the input record; "" in a punctuation
	Partition int32
	Offset    int64
	Timestamp int64
	Headers   Headers
	Key       any // as the node saw them; nil when not decoded
	Value     any
	Err       error
	Stack     []byte // set when Err was a panic
	// Raw is the input record as it was fetched, when the failure is found
	// after the task has gone on to other records; else nil.
	Raw *RawRecord
}

func (f *Failure) Error() string {
	if f.Topic == "" {
		return fmt.Sprintf("processor: %s in node %q: %v", f.Stage, f.Node, f.Err)
	}
	return fmt.Sprintf("processor: %s in node %q, record %s/%d@%d: %v", f.Stage, f.Node, f.Topic, f.Partition, f.Offset, f.Err)
}

func (f *Failure) Unwrap() error { return f.Err }

// FatalError is an error of the framework (a store, the producer, fencing) or
// a failure for which the handler chose to stop. It ends the task. No node
// may turn it into anything else: it passes through user code untouched, and
// one that user code swallows is remembered by the context.
type FatalError struct{ Err error }

func (e *FatalError) Error() string { return e.Err.Error() }
func (e *FatalError) Unwrap() error { return e.Err }

// Fatal marks err as an error of the framework. It returns nil for nil.
func Fatal(err error) error {
	if err == nil || IsFatal(err) {
		return err
	}
	return &FatalError{err}
}

// IsFatal reports whether err is, or wraps, a FatalError.
func IsFatal(err error) bool {
	if _, ok := err.(*FatalError); ok {
		return true
	}
	return errors.As(err, new(*FatalError))
}

// PanicError is a panic of user code that was turned into an error.
type PanicError struct {
	Value any
	Stack []byte
}

func (e *PanicError) Error() string { return fmt.Sprintf("panic: %v", e.Value) }

// Unwrap returns the panic's value when that was an error.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}

// Recover turns a panic into *err. Nodes defer it directly around one call of
// user code, so that the innermost failing node is the one that is abandoned.
func Recover(err *error) {
	if p := recover(); p != nil {
		*err = &PanicError{Value: p, Stack: debug.Stack()}
	}
}

func panicked(p any) error { return &PanicError{Value: p, Stack: debug.Stack()} }
