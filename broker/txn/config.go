package txn

import (
	"log/slog"
	"math"
	"time"
)

// Config is what an operator may set. The zero value of a field means its
// default.
type Config struct {
	// MaxTimeout is the longest transaction timeout a producer may ask for
	// (transaction.max.timeout.ms, 15 min).
	MaxTimeout time.Duration
	// Expiry is how long an idle transactional id is remembered
	// (transactional.id.expiration.ms, 7 days); ExpiryCheck is how often that
	// is looked at (1 h).
	Expiry, ExpiryCheck time.Duration
	// CompletionWait is how long a request of the next transaction waits here
	// for the markers of the previous one before it is refused with
	// CONCURRENT_TRANSACTIONS (1 s). Without it every transaction that follows
	// closely would cost the client a round of backoff (KAFKA-18654).
	CompletionWait time.Duration
	// Partitions is the number of partitions of __transaction_state (50). It
	// must never change.
	Partitions int32
	// MaxEpoch is the epoch after which a producer gets a new id
	// (32766; 32767 is for the last markers). Tests lower it.
	MaxEpoch int16
	// Logger receives failures of journals. Default: slog.Default.
	Logger *slog.Logger
}

const (
	minMarkerBackoff = 20 * time.Millisecond
	maxMarkerBackoff = time.Second
	// noIDBackoff is when an abort that needs a producer id is tried again
	// after there was none.
	noIDBackoff = time.Second
)

func (c Config) withDefaults() *Config {
	set(&c.MaxTimeout, 15*time.Minute)
	set(&c.Expiry, 7*24*time.Hour)
	set(&c.ExpiryCheck, time.Hour)
	set(&c.CompletionWait, time.Second)
	set(&c.Partitions, 50)
	set(&c.MaxEpoch, math.MaxInt16-1)
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	return &c
}

func set[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}
