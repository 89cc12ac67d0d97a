// Streams is the set of programs whose speed is compared with Kafka Streams:
// the same work on the same topics with the same flags, events on standard
// output.
//
//	streams NAME -bootstrap HOST:PORT -app-id ID -state-dir DIR
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net/http"
	_ "net/http/pprof"
	"os"
	"os/signal"
	profiles "runtime/pprof"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/thalweg/thalweg/internal/engine"
	"github.com/thalweg/thalweg/processor"
	"github.com/thalweg/thalweg/runtime"
	"github.com/thalweg/thalweg/state"
	"github.com/thalweg/thalweg/state/mem"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "streams:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("streams", flag.ContinueOnError)
	var (
		bootstrap = flags.String("bootstrap", "127.0.0.1:9092", "brokers, as `host:port,...`")
		appID     = flags.String("app-id", "bench", "application `id`")
		stateDir  = flags.String("state-dir", "", "`directory` of the state; none: in memory")
		guarantee = flags.String("guarantee", "at_least_once", "at_least_once or exactly_once_v2")
		threads   = flags.Int("threads", 1, "workers")
		commit    = flags.Int64("commit-ms", 0, "commit interval; 0: 100 exactly-once, 1000 otherwise")
		cache     = flags.Int64("cache-bytes", 0, "memory of state, 0: the default")
		in        = flags.String("in-suffix", "", "added to the names of input topics")
		out       = flags.String("out-suffix", "", "added to the names of output topics")
		store     = flags.String("store", "rocksdb", "rocksdb (Pebble in a build without it) or memory")
		pprof     = flags.String("pprof", "", "serve profiles on this `address`")
		profile   = flags.String("cpuprofile", "", "write a CPU profile of the whole run to this `file`")
		_         = flags.String("json", "jackson", "accepted and ignored: there is one JSON here")
		_         = flags.String("protocol", "classic", "accepted and ignored")
		_         = flags.Int("linger-ms", 0, "accepted and ignored: what is written goes out with each round")
		_         = flags.Bool("remain", false, "accepted and ignored")
	)
	if len(args) == 0 || strings.HasPrefix(args[0], "-") {
		return errors.New("the first argument is the program's name: stateless, weather, wordcount, join, fkjoin or keycount")
	}
	if err := flags.Parse(args[1:]); err != nil {
		return err
	}
	topo, err := build(args[0], suffixes{*in, *out})
	if err != nil {
		return err
	}
	if *pprof != "" {
		go func() { fmt.Fprintln(os.Stderr, http.ListenAndServe(*pprof, nil)) }()
	}
	if *profile != "" {
		end, err := profileTo(*profile)
		if err != nil {
			return err
		}
		defer end()
	}
	cfg := runtime.Config{
		ApplicationID: *appID, Brokers: strings.Split(*bootstrap, ","), State: backend(*store, *stateDir),
		StateMemory: *cache, Workers: *threads, Guarantee: runtime.AtLeastOnce, CommitInterval: time.Second,
		OnError: skipUndecodable, Logger: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
	}
	if *guarantee == "exactly_once_v2" {
		cfg.Guarantee, cfg.CommitInterval = runtime.ExactlyOnce, 100*time.Millisecond
	}
	if *commit > 0 {
		cfg.CommitInterval = time.Duration(*commit) * time.Millisecond
	}
	var ev events
	cfg.OnState = func(from, to runtime.State) { ev.print("STATE %s %s", upper(from), upper(to)) }
	cfg.OnRestore = ev.restore
	ev.print("START")
	defer ev.print("CLOSED")
	return runtime.Run(ctx, topo, cfg)
}

// profileTo begins a CPU profile; the function that it returns ends it.
func profileTo(path string) (end func(), err error) {
	f, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	if err := profiles.StartCPUProfile(f); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return func() {
		profiles.StopCPUProfile()
		if err := f.Close(); err != nil {
			fmt.Fprintln(os.Stderr, "streams:", err)
		}
	}, nil
}

func upper(s runtime.State) string { return strings.ToUpper(s.String()) }

func backend(store, dir string) state.Backend {
	if store == "memory" || dir == "" {
		return mem.New()
	}
	return engine.Dir(dir)
}

// skipUndecodable drops what is not JSON and stops at any other failure.
func skipUndecodable(_ *processor.Context, f *processor.Failure) processor.Action {
	if f.Stage == processor.StageDecode {
		return processor.Skip
	}
	return processor.Fail
}

// events prints what happens with the time, for who measures.
type events struct {
	mu      sync.Mutex
	started map[string]bool
}

func (e *events) print(format string, args ...any) {
	fmt.Printf("EVT %d %s\n", time.Now().UnixMilli(), fmt.Sprintf(format, args...))
}

func (e *events) restore(p runtime.RestoreProgress) {
	e.mu.Lock()
	defer e.mu.Unlock()
	part := fmt.Sprintf("%s-%d", p.Changelog, p.Partition)
	if e.started == nil {
		e.started = map[string]bool{}
	}
	if !e.started[part] {
		e.started[part] = true
		e.print("RESTORE-START %s %d %d", part, p.Start, p.End)
	}
	if p.Done {
		e.print("RESTORED %d %s", p.Records, part)
	}
}
