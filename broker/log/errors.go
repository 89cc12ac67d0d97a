package log

import (
	"errors"
	"fmt"
	"syscall"
)

// Errors of reads and appends. The Kafka error a broker answers is in
// parentheses.
var (
	// ErrOffsetOutOfRange: the offset is below the log start or above the log
	// end (OFFSET_OUT_OF_RANGE).
	ErrOffsetOutOfRange = errors.New("log: offset out of range")
	// ErrOutOfOrderSequence: an idempotent producer's batch leaves a gap or
	// repeats a batch older than the window (OUT_OF_ORDER_SEQUENCE_NUMBER).
	ErrOutOfOrderSequence = errors.New("log: out of order sequence number")
	// ErrProducerFenced: a newer epoch of the producer has written here
	// (INVALID_PRODUCER_EPOCH).
	ErrProducerFenced = errors.New("log: producer epoch is fenced")
	// ErrCoordinatorFenced: a newer transaction coordinator has written here
	// (TRANSACTION_COORDINATOR_FENCED).
	ErrCoordinatorFenced = errors.New("log: transaction coordinator epoch is fenced")
	// ErrInvalidTxnState: a batch outside the producer's open transaction
	// (INVALID_TXN_STATE).
	ErrInvalidTxnState = errors.New("log: batch does not fit the producer's transaction")
	// ErrTooLarge: the batches are larger than a segment (RECORD_LIST_TOO_LARGE).
	ErrTooLarge = errors.New("log: batches are larger than a segment")
	// ErrStaleEpoch: the leader epoch is older than one the log has seen
	// (NOT_LEADER_OR_FOLLOWER).
	ErrStaleEpoch = errors.New("log: leader epoch is stale")
	// ErrTopicID: the directory belongs to another topic of that name.
	ErrTopicID = errors.New("log: directory belongs to another topic id")
	// ErrClosed: the log was closed or destroyed.
	ErrClosed = errors.New("log: closed")
)

// StorageError reports that the file system failed (KAFKA_STORAGE_ERROR).
// What was acknowledged before is still there. Unless Full reports true the
// log accepts no more writes: it must be reopened, or given up with its disk.
type StorageError struct {
	Op  string
	Err error
}

// Error implements error.
func (e *StorageError) Error() string { return fmt.Sprintf("log: %s: %v", e.Op, e.Err) }

// Unwrap returns the file system's error.
func (e *StorageError) Unwrap() error { return e.Err }

// Full reports a disk without space: nothing was written, and appends succeed
// again once there is room.
func (e *StorageError) Full() bool {
	return errors.Is(e.Err, syscall.ENOSPC) || errors.Is(e.Err, syscall.EDQUOT)
}

// CorruptionError reports damaged bytes in the middle of a log, where a crash
// cannot have put them. The log is not repaired on its own: cutting it there
// would drop acknowledged records that follow. Restore the replica from
// another one, or truncate the file by hand accepting the loss.
type CorruptionError struct {
	File     string
	Position int64
	Err      error
}

// Error implements error.
func (e *CorruptionError) Error() string {
	return fmt.Sprintf("log: %s is corrupt at byte %d: %v", e.File, e.Position, e.Err)
}

// Unwrap returns what is wrong at Position.
func (e *CorruptionError) Unwrap() error { return e.Err }

func storage(op string, err error) error {
	if err == nil {
		return nil
	}
	if se := (*StorageError)(nil); errors.As(err, &se) {
		return err
	}
	return &StorageError{Op: op, Err: err}
}
