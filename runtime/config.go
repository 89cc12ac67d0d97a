package runtime

import (
	"errors"
	"fmt"
	"log/slog"
	goruntime "runtime"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/thalweg/thalweg/internal/batch"
	"github.com/thalweg/thalweg/processor"
	"github.com/thalweg/thalweg/state"
	"github.com/thalweg/thalweg/topology"
)

// Guarantee is how often the effects of one input record are seen.
type Guarantee int8

const (
	// ExactlyOnce commits outputs, changelogs and input offsets in one
	// transaction. Readers of the outputs have to read committed records only.
	// It is the default.
	ExactlyOnce Guarantee = iota
	// AtLeastOnce commits offsets after the outputs are acknowledged: after a
	// failure, records are processed again, and aggregates count them again.
	AtLeastOnce
)

func (g Guarantee) String() string {
	if g == AtLeastOnce {
		return "at-least-once"
	}
	return "exactly-once"
}

// UncaughtAction is what OnUncaught decides.
type UncaughtAction int8

const (
	// StopApplication has Run return the error, in this process.
	StopApplication UncaughtAction = iota
	// RestartTasks closes all tasks of the worker where the error was and opens
	// them again, as they were at the last commit.
	RestartTasks
)

// Compression is how written batches are compressed.
type Compression int8

// The compressions of Kafka's record format.
const (
	Uncompressed Compression = iota
	Gzip
	Snappy
	LZ4
	Zstd
)

// Config configures an application. The zero value of a field is its default;
// only ApplicationID and Brokers, and State where there are stores, are
// required.
type Config struct {
	// ApplicationID names the application: its consumer group, and the prefix
	// of its internal topics and transactional ids.
	ApplicationID string
	// Brokers are host:port addresses to begin with.
	Brokers []string
	// State holds the stores of this process: mem.New(), rocks.Dir(path) or
	// pebble.Dir(path). Two processes cannot share a directory.
	State state.Backend
	// StateMemory bounds what state takes in memory: half for the engine's
	// caches and buffers, a quarter for the write-back caches of the stores, a
	// quarter for rows that are restored. A transaction that has written an
	// eighth is committed before its time. Default 256 MiB.
	StateMemory int64

	// StateCleanup is how long the local state of a task that runs elsewhere,
	// or of a store that the topology has no more, is kept in case it comes
	// back. Default 10 minutes; negative: for ever.
	StateCleanup time.Duration

	// Guarantee is ExactlyOnce by default.
	Guarantee Guarantee
	// Workers is how many tasks run at the same time. Default GOMAXPROCS, but
	// never more than there are tasks at the start.
	Workers int
	// CommitInterval is the time between commits. Default 100 ms exactly-once,
	// as outputs become visible with the commit, and 30 s at-least-once.
	CommitInterval time.Duration
	// SessionTimeout is after how long without heartbeat the group gives the
	// tasks of this process to others. Default 10 s.
	SessionTimeout time.Duration
	// HeartbeatInterval is the time between heartbeats. Default 3 s.
	HeartbeatInterval time.Duration
	// TransactionTimeout is after how long without a commit the brokers abort
	// a transaction. Default 10 s.
	TransactionTimeout time.Duration
	// MaxTaskIdle is how long a task with several inputs waits for records of
	// one that was read to its end, to process all in the order of their
	// timestamps. Default 0: it waits only for what is known to be there.
	// Negative: never.
	MaxTaskIdle time.Duration
	// InstanceID, if set, names this process across restarts: a restarted one
	// takes over its own tasks at once instead of after the session timeout.
	// No two running processes may have the same. When it stops, its tasks wait
	// SessionTimeout for the restart, unless LeaveOnStop is set.
	InstanceID string
	// LeaveOnStop has a process with an InstanceID leave the group when it
	// stops, so that the others take over its tasks at once: for scaling in.
	// Without InstanceID a process always does.
	LeaveOnStop bool
	// Reset says where a source begins that has neither a committed offset nor
	// a reset policy of its own. Default earliest.
	Reset topology.ResetPolicy
	// RefuseLostRecords ends the application where records of a source were
	// deleted before they were read, as by a retention that is shorter than a
	// pause of the application. Otherwise it goes on behind them, as the
	// source's reset policy says, with a warning, and counts them in
	// Metrics.Lost; a policy of none refuses, too.
	RefuseLostRecords bool
	// AllowLostOffsets has a task begin as the reset policy says although its
	// stores hold rows, which the group's committed offsets for its sources, now
	// gone, belonged to: records are counted again, or skipped. Brokers forget
	// the offsets of a group that has had no members for
	// offsets.retention.minutes, 7 days by default. Otherwise that ends an
	// exactly-once application, and is a warning at least once, where a process
	// that dies before its first commit looks the same.
	AllowLostOffsets bool
	// MetadataInterval is the time between two looks at the source topics: for
	// added partitions, and for topics that match the pattern of a source.
	// Default 30 s.
	MetadataInterval time.Duration
	// ReplicationFactor of internal topics. Default: the brokers'.
	ReplicationFactor int16
	// InternalTopics is configuration added to all internal topics.
	InternalTopics map[string]string
	// Compression of what is written. Default none.
	Compression Compression
	// FetchBytes bounds the records fetched ahead per input partition. Default
	// 1 MiB.
	FetchBytes int

	// OnError decides about records that fail. Default: Fail, which stops the
	// application before anything of the record is committed.
	OnError processor.FailureHandler
	// OnUncaught decides what follows an error that ends a task: of user code
	// for which OnError chose Fail, of a store, of a record that cannot be
	// written. Default: StopApplication. An error that comes again at the same
	// record comes again after RestartTasks. It is called by the workers, and
	// must not block.
	OnUncaught func(error) UncaughtAction
	// RetryAfter is the wait before records are processed again when OnError
	// chose Retry, or OnUncaught RestartTasks. Transactions that abort one after
	// the other, whatever the cause, wait as long from the second on, then twice
	// as long with each, up to 10 s. Default 1 s.
	RetryAfter time.Duration
	// DeadLetterTopic takes the records for which OnError chose DeadLetter. It
	// has to exist.
	DeadLetterTopic string
	// OnState is told of changes of the application's state, one after the other.
	// It may ask the application whatever it likes, and must not block.
	OnState func(from, to State)
	// OnRestore is told how the restoring of stores goes. It is called by
	// several goroutines, may ask the application whatever it likes, and must not
	// block.
	OnRestore func(RestoreProgress)

	// Logger gets what happens. Default slog.Default().
	Logger *slog.Logger
	// Client are further options of the connections to the brokers, such as
	// TLS, SASL and dialers.
	Client []kgo.Opt
}

// withDefaults returns c with every zero field replaced.
func (c Config) withDefaults() Config {
	def(&c.StateMemory, 256<<20)
	def(&c.StateCleanup, 10*time.Minute)
	def(&c.Workers, goruntime.GOMAXPROCS(0))
	if c.Guarantee == AtLeastOnce {
		def(&c.CommitInterval, 30*time.Second)
	}
	def(&c.CommitInterval, 100*time.Millisecond)
	def(&c.SessionTimeout, 10*time.Second)
	def(&c.HeartbeatInterval, 3*time.Second)
	def(&c.TransactionTimeout, 10*time.Second)
	def(&c.Reset, topology.ResetEarliest)
	def(&c.MetadataInterval, 30*time.Second)
	def(&c.ReplicationFactor, -1)
	def(&c.FetchBytes, 1<<20)
	def(&c.RetryAfter, time.Second)
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	return c
}

func def[T comparable](v *T, d T) {
	var zero T
	if *v == zero {
		*v = d
	}
}

// Validate returns all mistakes of the configuration for running t, joined.
func (c Config) Validate(t *topology.Topology) error {
	var errs []error
	fail := func(format string, args ...any) { errs = append(errs, fmt.Errorf("runtime: "+format, args...)) }

	if c.ApplicationID == "" {
		fail("ApplicationID is required: it names the consumer group and the internal topics")
	} else if err := topology.CheckName(c.ApplicationID); err != nil {
		fail("ApplicationID %q cannot be part of topic names: %w", c.ApplicationID, err)
	}
	if len(c.Brokers) == 0 {
		fail("Brokers is required: host:port of at least one broker")
	}
	for _, d := range []struct {
		name string
		v    time.Duration
	}{
		{"CommitInterval", c.CommitInterval}, {"SessionTimeout", c.SessionTimeout}, {"HeartbeatInterval", c.HeartbeatInterval},
		{"TransactionTimeout", c.TransactionTimeout}, {"RetryAfter", c.RetryAfter},
		{"MetadataInterval", c.MetadataInterval},
	} {
		if d.v < 0 {
			fail("%s is %v: it cannot be negative", d.name, d.v)
		}
	}
	if c.Workers < 0 {
		fail("Workers is %d: it cannot be negative", c.Workers)
	}
	if c.StateMemory < 0 {
		fail("StateMemory is %d: it cannot be negative", c.StateMemory)
	}
	if c.FetchBytes < 0 {
		fail("FetchBytes is %d: it cannot be negative", c.FetchBytes)
	}
	if c.Compression < Uncompressed || c.Compression > Zstd {
		fail("Compression %d does not exist", c.Compression)
	}
	if c.Guarantee != ExactlyOnce && c.Guarantee != AtLeastOnce {
		fail("Guarantee %d does not exist", c.Guarantee)
	}
	w := c.withDefaults()
	if w.HeartbeatInterval >= w.SessionTimeout {
		fail("HeartbeatInterval %v has to be below SessionTimeout %v: a third of it is usual", w.HeartbeatInterval, w.SessionTimeout)
	}
	if w.Guarantee == ExactlyOnce && w.CommitInterval >= w.TransactionTimeout {
		fail("CommitInterval %v has to be below TransactionTimeout %v, or transactions are aborted before they are committed", w.CommitInterval, w.TransactionTimeout)
	}
	if t == nil {
		fail("the topology is nil: Build returned an error that was not looked at")
	} else if len(t.Stores) > 0 && c.State == nil {
		fail("the topology has stores (%s, …) and Config.State is not set: use mem.New() of package state/mem, rocks.Dir(path) of state/rocks, or pebble.Dir(path) of state/pebble", t.Stores[0].Name)
	}
	return errors.Join(errs...)
}

func (c Config) codec() batch.Codec { return batch.Codec(c.Compression) }

func (c Config) transactional() bool { return c.Guarantee == ExactlyOnce }
