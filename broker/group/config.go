package group

import (
	"crypto/rand"
	"fmt"
	"log/slog"
	"time"
)

// Config is what an operator may set. The zero value of a field means its
// default.
type Config struct {
	// MinSessionTimeout and MaxSessionTimeout bound what members ask for
	// (group.min.session.timeout.ms 6 s, group.max.session.timeout.ms 30 min).
	MinSessionTimeout, MaxSessionTimeout time.Duration
	// InitialRebalanceDelay is how long the first rebalance of an empty group
	// waits for more members (group.initial.rebalance.delay.ms). Default 0.
	InitialRebalanceDelay time.Duration
	// MaxSize is the largest number of members (group.max.size). Default
	// unlimited.
	MaxSize int
	// MaxMetadata is the largest metadata string of an offset commit in bytes
	// (offset.metadata.max.bytes 4096).
	MaxMetadata int
	// MaxRecord is the largest group metadata record in bytes; it must fit
	// into max.message.bytes of the offsets topic. Default 1 000 000.
	MaxRecord int
	// Retention is how long offsets outlive the last use of their group
	// (offsets.retention.minutes, 7 days); RetentionCheck is how often that is
	// looked at (offsets.retention.check.interval.ms, 10 min).
	Retention, RetentionCheck time.Duration
	// Partitions is the number of partitions of __consumer_offsets. Default
	// 50. It must never change: groups are found by it.
	Partitions int32
	// NewMemberID makes the id of a dynamic member. Default: prefix-uuid.
	NewMemberID func(prefix string) string
	// Logger receives failures of journals. Default: slog.Default.
	Logger *slog.Logger
}

// newMemberTimeout removes a member that has never answered a join: it does
// not know its id and cannot send heartbeats while its join is parked.
const newMemberTimeout = 5 * time.Minute

func (c Config) withDefaults() *Config {
	set(&c.MinSessionTimeout, 6*time.Second)
	set(&c.MaxSessionTimeout, 30*time.Minute)
	set(&c.MaxMetadata, 4096)
	set(&c.MaxRecord, 1_000_000)
	set(&c.Retention, 7*24*time.Hour)
	set(&c.RetentionCheck, 10*time.Minute)
	set(&c.Partitions, 50)
	if c.NewMemberID == nil {
		c.NewMemberID = newMemberID
	}
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

// newMemberID appends a random UUID (version 4) to prefix.
func newMemberID(prefix string) string {
	var u [16]byte
	rand.Read(u[:]) // never fails (crypto/rand)
	u[6] = u[6]&0x0f | 0x40
	u[8] = u[8]&0x3f | 0x80
	return fmt.Sprintf("%s-%x-%x-%x-%x-%x", prefix, u[:4], u[4:6], u[6:8], u[8:10], u[10:])
}
