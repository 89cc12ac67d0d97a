package produce

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// What an error means for the transaction; test with errors.Is.
var (
	// ErrFenced: another producer took the transactional id, or the
	// coordinator ended the transaction and bumped the epoch (it timed out).
	// The open transaction is or will be aborted; Init makes the producer
	// usable again.
	ErrFenced = errors.New("produce: fenced")
	// ErrAborted: the transaction cannot be committed and has to be aborted.
	ErrAborted = errors.New("produce: transaction has to be aborted")
	// ErrMember: the group does not accept offsets from this member and
	// generation.
	ErrMember = errors.New("produce: member or generation not accepted")
	// ErrRebalance: the group is between generations; the offsets may be
	// accepted under the next one.
	ErrRebalance = errors.New("produce: rebalance in progress")
	// ErrUnknownOutcome: the end of the transaction was asked for and no
	// answer came, so it is committed or aborted, and only the log says which.
	ErrUnknownOutcome = errors.New("produce: outcome of the transaction unknown")
	// ErrUnknownTopic: the topic or partition does not exist.
	ErrUnknownTopic = errors.New("produce: unknown topic or partition")
)

// TooLargeError reports a record that no batch may hold.
type TooLargeError struct {
	Topic string
	Size  int // bytes the record takes
	Limit int // bytes a batch may take
}

func (e *TooLargeError) Error() string {
	return fmt.Sprintf("produce: record of %d bytes for topic %s exceeds the limit of %d bytes", e.Size, e.Topic, e.Limit)
}

// verdict is what to do about an answer.
type verdict int8

const (
	good verdict = iota
	retry
	retryElsewhere // the same, after asking who leads
	fenced
	abort
	member
	rebalance
	fatal
)

// judge maps a broker's error code to what it means to a producer.
func judge(code int16) verdict {
	err := kerr.ErrorForCode(code)
	switch err {
	case nil:
		return good
	case kerr.InvalidProducerEpoch, kerr.ProducerFenced:
		return fenced
	case kerr.DuplicateSequenceNumber, // of a batch before the last one, which a retry never is
		kerr.OutOfOrderSequenceNumber, kerr.UnknownProducerID, kerr.InvalidTxnState,
		kerr.TransactionAbortable, kerr.InvalidProducerIDMapping, kerr.OperationNotAttempted:
		return abort
	case kerr.UnknownMemberID, kerr.GroupIDNotFound, kerr.FencedInstanceID, kerr.FencedMemberEpoch, kerr.StaleMemberEpoch:
		return member
	case kerr.IllegalGeneration, kerr.RebalanceInProgress:
		return rebalance
	case kerr.ConcurrentTransactions, kerr.CoordinatorLoadInProgress, kerr.CoordinatorNotAvailable,
		kerr.NotCoordinator, kerr.RequestTimedOut, kerr.NotEnoughReplicas, kerr.NotEnoughReplicasAfterAppend,
		kerr.KafkaStorageError, kerr.ThrottlingQuotaExceeded:
		return retry
	}
	if kerr.IsRetriable(err) {
		return retryElsewhere
	}
	return fatal
}

// wrap turns a broker's code into an error that says what it means.
func wrap(code int16, what string) error {
	err := kerr.ErrorForCode(code)
	switch judge(code) {
	case good:
		return nil
	case fenced:
		return fmt.Errorf("%w: %s: %w", ErrFenced, what, err)
	case abort:
		return fmt.Errorf("%w: %s: %w", ErrAborted, what, err)
	case member:
		return fmt.Errorf("%w: %s: %w", ErrMember, what, err)
	case rebalance:
		return fmt.Errorf("%w: %s: %w", ErrRebalance, what, err)
	}
	return fmt.Errorf("produce: %s: %w", what, err)
}

// Unreachable reports an error of the connection rather than of the broker.
func Unreachable(err error) bool {
	var netErr net.Error
	return errors.As(err, &netErr) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, net.ErrClosed) || kgo.IsRetryableBrokerErr(err) || errors.Is(err, context.DeadlineExceeded) ||
		unknownBroker(err)
}

// unknownBroker reports that a request went to a broker that has left the metadata,
// as when it is restarted. The client does not export its error.
func unknownBroker(err error) bool {
	for ; err != nil; err = errors.Unwrap(err) {
		if err.Error() == "unknown broker" {
			return true
		}
	}
	return false
}

// Passing reports an error after which the same may be asked again: brokers that
// cannot be reached, and everything that a broker or coordinator says of a state that
// passes, whichever request found out.
func Passing(err error) bool {
	return Unreachable(err) || kerr.IsRetriable(err) ||
		errors.Is(err, kerr.ConcurrentTransactions) || errors.Is(err, kerr.UnstableOffsetCommit)
}
