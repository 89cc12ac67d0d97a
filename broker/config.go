package broker

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"time"

	"github.com/thalweg/thalweg/broker/log/vfs"
	"github.com/thalweg/thalweg/broker/meta"
)

// Flush says when an acknowledged write is on stable storage.
type Flush string

const (
	// FlushAlways acknowledges a write after fdatasync. Waiting requests share
	// one call (group commit), so the price is latency, not throughput. It is
	// the default of a single node, where nobody else has the data.
	FlushAlways Flush = "always"
	// FlushOS leaves writing back to the operating system, as Kafka does: an
	// acknowledged write survives the death of the process, not of the machine.
	// Segments are synced in the background when they are full, what is in the
	// last one every [Config.SyncInterval].
	FlushOS Flush = "os"
)

// Config configures a broker. The zero value is a broker in memory on a free
// port of the loopback interface.
type Config struct {
	// NodeID is the broker id clients see; 0 means 1.
	NodeID int32
	// DataDir holds logs and metadata; "" keeps everything in memory, where it
	// is lost with the process. A directory belongs to one broker at a time.
	DataDir string
	// Listeners are the addresses to serve; empty means 127.0.0.1:0.
	Listeners []Listener
	// Rack is told to clients that prefer near replicas.
	Rack string
	// Flush is the durability of acknowledged writes; "" means FlushAlways.
	Flush Flush

	// DefaultPartitions is the number of partitions of topics that are created
	// without one; 0 means 1.
	DefaultPartitions int32
	// NoAutoCreate refuses to create topics that clients merely ask about.
	// Kafka's default, and this broker's, is to create them when the client
	// allows it.
	NoAutoCreate bool
	// CoordinatorPartitions is the number of partitions of each internal topic,
	// fixed when the topic is created; 0 means 8. Kafka has 50, which buys a
	// cluster parallelism and costs a single node files and start-up time.
	CoordinatorPartitions int32
	// RebalanceDelay is how long the first member of an empty group waits for
	// others. Kafka waits three seconds; 0 does not wait.
	RebalanceDelay time.Duration
	// SyncInterval is how often records that are not in full segments are
	// synced with FlushOS; 0 means a minute.
	SyncInterval time.Duration
	// RetentionCheck is how often old segments are looked for; 0 means 5
	// minutes.
	RetentionCheck time.Duration
	// CompactionCheck is how often compacted topics are looked at; 0 means 15
	// seconds.
	CompactionCheck time.Duration
	// TopicDefaults override the defaults of topic configurations, by their
	// Kafka names ("retention.ms").
	TopicDefaults map[string]string

	Limits Limits

	// FS, if set, takes the place of the operating system's files; nothing is
	// locked then. It lets tests restart a broker in memory and inject faults.
	FS vfs.FS

	// Logger receives what an operator should know; nil means slog.Default.
	Logger *slog.Logger
}

// Listener is an address to serve.
type Listener struct {
	// Name tells listeners apart; "" means PLAINTEXT.
	Name string
	// Address is host:port; port 0 takes a free one.
	Address string
	// Advertise is the host:port that clients are told; without a port the
	// listener's own is used. "" means the address that is listened on or, if
	// that is a wildcard, the one the asking client has dialled.
	Advertise string
}

// Limits protect the broker from its clients. A zero field means its default.
type Limits struct {
	// MaxConnections bounds open connections; default 10000.
	MaxConnections int
	// IdleTimeout closes connections that ask nothing; default 10 minutes.
	IdleTimeout time.Duration
	// RequestTimeout is how long a peer may take to send the next 64 KiB of a
	// request that it has begun, and to take the next 256 KiB of a response; default
	// 30 seconds.
	RequestTimeout time.Duration
	// StallTimeout takes the place of RequestTimeout while others wait for the
	// memory that is held meanwhile; default 2 seconds.
	StallTimeout time.Duration
	// RequestMemory bounds, in bytes, requests that are being received or
	// handled, all connections together; default 256 MiB, at least 128 MiB. An
	// eighth of it is for requests of up to 64 KiB alone.
	RequestMemory int64
	// FetchMemory bounds, in bytes, records on their way to consumers, all
	// connections together; default 256 MiB, at least 8 MiB.
	FetchMemory int64
	// MaxFetch bounds the records of one Fetch response, in bytes; default
	// 55 MiB as in Kafka.
	MaxFetch int32
	// MaxPartitions bounds the partitions of the broker; default 20000.
	MaxPartitions int
	// FetchSessions bounds the incremental fetch sessions; default 1000. Together
	// they hold at most 200 partitions for each of these.
	FetchSessions int
}

// Validate reports every mistake in c, joined into one error.
func (c *Config) Validate() error {
	var errs []error
	bad := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf("broker: config: "+format, args...))
	}
	if c.NodeID < 0 {
		bad("NodeID is %d: use 1 or more", c.NodeID)
	}
	if c.Flush != "" && c.Flush != FlushAlways && c.Flush != FlushOS {
		bad("Flush is %q: use %q or %q", c.Flush, FlushAlways, FlushOS)
	}
	if c.DefaultPartitions < 0 {
		bad("DefaultPartitions is %d: use 1 or more", c.DefaultPartitions)
	}
	if c.CoordinatorPartitions < 0 || c.CoordinatorPartitions > 1000 {
		bad("CoordinatorPartitions is %d: use 1 to 1000", c.CoordinatorPartitions)
	}
	if c.RebalanceDelay < 0 {
		bad("RebalanceDelay is %v: use 0 or more", c.RebalanceDelay)
	}
	if c.SyncInterval < 0 {
		bad("SyncInterval is %v: use a positive time", c.SyncInterval)
	}
	if c.RetentionCheck < 0 {
		bad("RetentionCheck is %v: use a positive time", c.RetentionCheck)
	}
	if c.CompactionCheck < 0 {
		bad("CompactionCheck is %v: use a positive time", c.CompactionCheck)
	}
	names := map[string]bool{}
	for i := range c.Listeners {
		l := &c.Listeners[i]
		if err := checkAddress(l.Address, true); err != nil {
			bad("Listeners[%d].Address %q: %w: use host:port", i, l.Address, err)
		}
		if l.Advertise != "" {
			if err := checkAddress(l.Advertise, false); err != nil {
				bad("Listeners[%d].Advertise %q: %w: use host or host:port", i, l.Advertise, err)
			}
		}
		if names[l.name()] {
			bad("Listeners[%d].Name %q is used twice: give each listener its own", i, l.name())
		}
		names[l.name()] = true
	}
	for name, value := range c.TopicDefaults {
		if err := meta.CheckTopicConfig(name, value); err != nil {
			bad("TopicDefaults: %w", err)
		}
	}
	return errors.Join(append(errs, c.Limits.validate()...)...)
}

func (l *Limits) validate() (errs []error) {
	check := func(name string, v, least int64) {
		if v != 0 && v < least {
			errs = append(errs, fmt.Errorf("broker: config: Limits.%s is %d: use at least %d, or 0 for the default", name, v, least))
		}
	}
	check("MaxConnections", int64(l.MaxConnections), 1)
	check("IdleTimeout", int64(l.IdleTimeout), int64(time.Second))
	check("RequestTimeout", int64(l.RequestTimeout), int64(time.Second))
	check("StallTimeout", int64(l.StallTimeout), int64(100*time.Millisecond))
	check("RequestMemory", l.RequestMemory, 128<<20)
	check("FetchMemory", l.FetchMemory, 8<<20)
	check("MaxFetch", int64(l.MaxFetch), 1<<20)
	check("MaxPartitions", int64(l.MaxPartitions), 1)
	check("FetchSessions", int64(l.FetchSessions), 1)
	return errs
}

func checkAddress(addr string, needPort bool) error {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		if !needPort && addr != "" && net.ParseIP(addr) == nil {
			return nil // a bare host name
		}
		if !needPort && net.ParseIP(addr) != nil {
			return nil
		}
		return err
	}
	n, err := strconv.ParseUint(port, 10, 16)
	switch {
	case err != nil:
		return fmt.Errorf("port %q is not a number up to 65535", port)
	case !needPort && (host == "" || n == 0):
		return errors.New("clients cannot dial that")
	}
	return nil
}

func (l *Listener) name() string {
	if l.Name == "" {
		return "PLAINTEXT"
	}
	return l.Name
}

// withDefaults returns a copy of c with defaults in place of zero fields.
func (c Config) withDefaults() Config {
	orDefault(&c.NodeID, 1)
	orDefault(&c.Flush, FlushAlways)
	orDefault(&c.DefaultPartitions, 1)
	orDefault(&c.CoordinatorPartitions, 8)
	orDefault(&c.SyncInterval, time.Minute)
	orDefault(&c.RetentionCheck, 5*time.Minute)
	orDefault(&c.CompactionCheck, 15*time.Second)
	orDefault(&c.Limits.MaxConnections, 10_000)
	orDefault(&c.Limits.IdleTimeout, 10*time.Minute)
	orDefault(&c.Limits.RequestTimeout, 30*time.Second)
	orDefault(&c.Limits.StallTimeout, 2*time.Second)
	orDefault(&c.Limits.RequestMemory, 256<<20)
	orDefault(&c.Limits.FetchMemory, 256<<20)
	orDefault(&c.Limits.MaxFetch, 55<<20)
	orDefault(&c.Limits.MaxPartitions, 20_000)
	orDefault(&c.Limits.FetchSessions, 1000)
	if len(c.Listeners) == 0 {
		c.Listeners = []Listener{{Address: "127.0.0.1:0"}}
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	return c
}

func orDefault[T comparable](v *T, d T) {
	var zero T
	if *v == zero {
		*v = d
	}
}
