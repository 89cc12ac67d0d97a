package batch

import (
	"errors"
	"fmt"
)

// ErrTruncated reports that the bytes end before the batch does. At the end of
// a fetch answer or of a crashed log that is expected.
var ErrTruncated = errors.New("batch: bytes end before the batch does")

// ErrTooLarge reports that a batch decompresses to more than the
// [Decompressor]'s limit.
var ErrTooLarge = errors.New("batch: decompressed records exceed the limit")

// CorruptError reports bytes that are not an intact batch: a wrong checksum,
// length, or a record that does not decode (protocol error CORRUPT_MESSAGE).
type CorruptError struct{ Reason string }

// Error implements error.
func (e *CorruptError) Error() string { return "batch: corrupt: " + e.Reason }

func corrupt(format string, args ...any) error {
	return &CorruptError{Reason: fmt.Sprintf(format, args...)}
}

// InvalidError reports an intact batch that a client may not produce
// (protocol error INVALID_RECORD, or INVALID_TIMESTAMP when Timestamp is set).
type InvalidError struct {
	Reason    string
	Index     int  // of the offending record, or -1 for the batch as a whole
	Timestamp bool // the rule broken is about timestamps
}

// Error implements error.
func (e *InvalidError) Error() string {
	if e.Index >= 0 {
		return fmt.Sprintf("batch: invalid record %d: %s", e.Index, e.Reason)
	}
	return "batch: invalid: " + e.Reason
}

func invalid(index int, format string, args ...any) error {
	return &InvalidError{Reason: fmt.Sprintf(format, args...), Index: index}
}
