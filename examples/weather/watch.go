package main

import (
	"context"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/thalweg/thalweg/examples/weather/board"
)

// watch shows the board as it grows, until replayed is closed and the result of the last row is on it; a nil channel
// means for ever.
func watch(ctx context.Context, adm *kadm.Client, follower *board.Follower, b *board.Board, show display, p progress, replayed <-chan struct{}) error {
	const frames = 100 * time.Millisecond
	began := time.Now()
	for ctx.Err() == nil {
		over := false
		select {
		case <-replayed:
			over = true
		default:
		}
		c, err := readCommitted(ctx, adm)
		if err != nil {
			return err
		}
		p.update(c.rows, time.Since(began))
		if over && c.all() {
			if err := follower.CatchUp(ctx, b); err != nil {
				return err
			}
			p.Over = true
			return show.show(p, b)
		}
		poll, cancel := context.WithTimeout(ctx, frames)
		err = follower.Poll(poll, b)
		cancel()
		if err != nil {
			return err
		}
		if err := show.show(p, b); err != nil {
			return err
		}
	}
	return ctx.Err()
}
