package broker

import (
	"context"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
)

// failure is a Kafka error with a reason for the client to read.
type failure struct {
	kind   *kerr.Error
	reason string
}

// Error implements error.
func (f *failure) Error() string { return f.reason }

// Unwrap returns the Kafka error.
func (f *failure) Unwrap() error { return f.kind }

func fail(kind *kerr.Error, format string, args ...any) error {
	return &failure{kind, fmt.Sprintf(format, args...)}
}

// code returns the Kafka error code of err: that of the *kerr.Error in its
// chain, REQUEST_TIMED_OUT where the request was given up before its outcome was
// known, as when the broker stops, otherwise UNKNOWN_SERVER_ERROR; 0 for nil.
func code(err error) int16 {
	if err == nil {
		return 0
	}
	if kind := (*kerr.Error)(nil); errors.As(err, &kind) {
		return kind.Code
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return kerr.RequestTimedOut.Code
	}
	return kerr.UnknownServerError.Code
}

// codeAndMessage returns what a response says about err; the message is nil
// where the code says it all.
func codeAndMessage(err error) (int16, *string) {
	if err == nil {
		return 0, nil
	}
	message := err.Error()
	if kind, ok := err.(*kerr.Error); ok {
		message = kind.Description
	}
	return code(err), &message
}
