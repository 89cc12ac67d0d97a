// Package outage tells the log that something waits for brokers: clearly, and
// not with every attempt.
package outage

import (
	"log/slog"
	"time"
)

// quiet is how long a wait may take before the log tells of it, and between two
// lines about it.
const quiet = 5 * time.Second

// Report is about one thing that is waited for, again and again. The zero value
// is ready. It belongs to one goroutine.
type Report struct {
	began, told time.Time
}

// Waiting is called with each attempt that failed; err says how.
func (r *Report) Waiting(log *slog.Logger, what string, err error) {
	now := time.Now()
	if r.began.IsZero() {
		r.began, r.told = now, now
	}
	if now.Sub(r.told) >= quiet {
		r.told = now
		log.Warn("waiting for "+what, "since", now.Sub(r.began).Round(time.Second), "err", err)
	}
}

// Over is called when the wait has ended well.
func (r *Report) Over(log *slog.Logger, what string) {
	if r.told.After(r.began) {
		log.Info("no longer waiting for "+what, "waited", time.Since(r.began).Round(time.Second))
	}
	*r = Report{}
}
