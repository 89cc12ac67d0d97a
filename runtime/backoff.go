package runtime

import (
	"time"
)

const (
	// maxBackoff bounds the wait between two attempts.
	maxBackoff = 10 * time.Second
	// worrying is from how many aborts in a row on a worker is in trouble.
	worrying = 3
)

// backoff spaces out the attempts of a worker whose transactions abort one after
// the other. The first abort of several costs no wait, as when tasks move: what
// follows on the next one is what keeps going wrong.
type backoff struct {
	first time.Duration // the wait after the second abort; doubled for each more
	n     int           // aborts since the last commit
	until time.Time
}

// aborted counts an abort and returns how long to wait before the next attempt,
// at least some time.
func (b *backoff) aborted(now time.Time, least time.Duration) time.Duration {
	b.n++
	wait := time.Duration(0)
	if b.n > 1 {
		wait = b.first
		for i := 2; i < b.n && wait < maxBackoff; i++ {
			wait *= 2
		}
	}
	wait = max(least, min(wait, maxBackoff))
	b.until = now.Add(wait)
	return wait
}

// committed ends the series.
func (b *backoff) committed() { b.n, b.until = 0, time.Time{} }

// left is how long there is still to wait.
func (b *backoff) left(now time.Time) time.Duration { return max(0, b.until.Sub(now)) }
