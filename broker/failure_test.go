package broker

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
)

func TestCode(t *testing.T) {
	for err, want := range map[error]*kerr.Error{
		kerr.InvalidRequest:                              kerr.InvalidRequest,
		fail(kerr.TopicAlreadyExists, "topic %s", "a"):   kerr.TopicAlreadyExists,
		fmt.Errorf("meta: change: %w", context.Canceled): kerr.RequestTimedOut, // a client asks again
		context.DeadlineExceeded:                         kerr.RequestTimedOut,
		errors.New("a bug"):                              kerr.UnknownServerError,
	} {
		require.Equal(t, want.Code, code(err), err.Error())
	}
	require.Zero(t, code(nil))
}
