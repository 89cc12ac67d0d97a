package outage

import (
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestReport(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out strings.Builder
		log := slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		}}))
		var r Report
		attempts := func(n int) {
			for range n {
				r.Waiting(log, "the coordinator", errors.New("refused"))
				time.Sleep(100 * time.Millisecond)
			}
			r.Over(log, "the coordinator")
		}
		attempts(10)
		require.Empty(t, out.String(), "a short wait is nobody's business")
		attempts(120)
		require.Equal(t, `level=WARN msg="waiting for the coordinator" since=5s err=refused
level=WARN msg="waiting for the coordinator" since=10s err=refused
level=INFO msg="no longer waiting for the coordinator" waited=12s
`, out.String())
	})
}
