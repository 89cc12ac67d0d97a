package main

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestPatience(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, p := newPatience(t.Context(), time.Second)
		defer p.stop()
		after := func(d time.Duration) error {
			time.Sleep(d)
			synctest.Wait()
			return ctx.Err()
		}
		require.NoError(t, after(time.Hour), "nothing waits")
		p.add()
		p.add()
		require.NoError(t, after(900*time.Millisecond))
		p.done()
		require.NoError(t, after(900*time.Millisecond), "there was an acknowledgement")
		p.done()
		require.NoError(t, after(time.Hour))
		p.add()
		require.Error(t, after(1100*time.Millisecond))
		require.ErrorContains(t, context.Cause(ctx), "no acknowledgement within 1s")
	})
}
