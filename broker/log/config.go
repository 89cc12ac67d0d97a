package log

import (
	"log/slog"
	"math"
	"time"

	"github.com/thalweg/thalweg/broker/log/vfs"
)

// Config are the settings of one log. The zero value is Kafka's defaults on
// the operating system's files.
type Config struct {
	FS  vfs.FS           // default vfs.OS()
	Now func() time.Time // default time.Now

	// TopicID is kept in partition.metadata and compared on reopening. The
	// zero id writes and compares nothing.
	TopicID [16]byte

	SegmentBytes  int           // segment.bytes, default 1 GiB
	SegmentAge    time.Duration // segment.ms, default 7 days
	IndexInterval int           // index.interval.bytes, default 4 KiB
	IndexBytes    int           // segment.index.bytes, default 10 MiB

	RetentionBytes int64         // retention.bytes; 0 or less keeps all
	RetentionTime  time.Duration // retention.ms; 0 or less keeps all

	// ProducerExpiry is how long an idle producer's state is kept
	// (producer.id.expiration.ms), default 24 hours. MaxProducers bounds how
	// many are kept; past it the longest idle ones go first. Default 100,000.
	ProducerExpiry time.Duration
	MaxProducers   int

	// TailBytes is the newest part of the log kept in memory for readers at
	// the end. Default 1 MiB; negative for none. Budget, when set, bounds it
	// over all logs that share it.
	TailBytes int
	Budget    *TailBudget

	// Notify, when set, is called after any of the offsets moved, from the
	// goroutine that moved them. It must not call methods that change the log.
	Notify func(Offsets)

	Logger *slog.Logger // default slog.Default()
}

func (c *Config) setDefaults() {
	if c.FS == nil {
		c.FS = vfs.OS()
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.SegmentBytes <= 0 {
		c.SegmentBytes = 1 << 30
	}
	c.SegmentBytes = min(c.SegmentBytes, math.MaxInt32)
	if c.SegmentAge <= 0 {
		c.SegmentAge = 7 * 24 * time.Hour
	}
	if c.IndexInterval <= 0 {
		c.IndexInterval = 4 << 10
	}
	if c.IndexBytes <= 0 {
		c.IndexBytes = 10 << 20
	}
	if c.ProducerExpiry <= 0 {
		c.ProducerExpiry = 24 * time.Hour
	}
	if c.MaxProducers <= 0 {
		c.MaxProducers = 100_000
	}
	if c.TailBytes == 0 {
		c.TailBytes = 1 << 20
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
}
