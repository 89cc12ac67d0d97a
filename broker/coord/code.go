package coord

import (
	"context"
	"errors"

	"github.com/twmb/franz-go/pkg/kerr"
)

// Caller identifies the client of a request.
type Caller struct {
	ClientID string
	Host     string // as Kafka shows it: "/127.0.0.1"
}

// Code is the Kafka error code for an error of this package or a *kerr.Error
// in its chain; 0 for nil.
func Code(err error) int16 {
	var ke *kerr.Error
	switch {
	case err == nil:
		return 0
	case errors.As(err, &ke):
		return ke.Code
	case errors.Is(err, ErrNotLeader):
		return kerr.NotCoordinator.Code
	case errors.Is(err, ErrLoading):
		return kerr.CoordinatorLoadInProgress.Code
	case errors.Is(err, ErrLost), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return kerr.CoordinatorNotAvailable.Code
	default:
		return kerr.UnknownServerError.Code
	}
}
