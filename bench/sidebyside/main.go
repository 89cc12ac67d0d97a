// Sidebyside runs programs of this library and the same programs in Kafka
// Streams on one broker, one after the other, compares what they wrote and
// prints what they took. bench/compare builds what it needs and calls it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "sidebyside:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) (err error) {
	flags := flag.NewFlagSet("sidebyside", flag.ContinueOnError)
	var (
		ours       = flags.String("ours", "bin/streams", "`command` of our programs")
		theirs     = flags.String("theirs", "", "`command` of the programs in Kafka Streams")
		binary     = flags.String("broker", "bin/thalweg", "`command` of the broker to start")
		flush      = flags.String("flush", "os", "flush mode of the broker to start: os or always")
		brokers    = flags.String("brokers", "", "use the broker at `host:port` instead of starting one")
		programs   = flags.String("programs", "stateless,weather,wordcount,join,fkjoin", "`names` of programs")
		guarantees = flags.String("guarantees", "at_least_once,exactly_once_v2", "`names` of guarantees")
		records    = flags.Int("records", 300_000, "records of input for each program")
		runs       = flags.Int("runs", 1, "runs of each program")
	)
	if err := flags.Parse(args); err != nil {
		return err
	}
	if runtime.GOOS != "linux" {
		return errors.New("the time a process took is read from /proc, which Linux has")
	}
	dir, err := os.MkdirTemp("", "sidebyside")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	b := &bench{dir: dir, id: fmt.Sprint(time.Now().Unix())}
	mode := "the broker at " + *brokers
	if *brokers == "" {
		mode = "a fresh broker, flush=" + *flush
		p, addr, err := startBroker(*binary, *flush, dir)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, p.stop()) }()
		*brokers = addr
	}
	b.brokers = *brokers
	if b.cl, err = kgo.NewClient(kgo.SeedBrokers(b.brokers), kgo.RecordPartitioner(kgo.StickyKeyPartitioner(nil))); err != nil {
		return err
	}
	defer b.cl.Close()
	b.adm = kadm.NewClient(b.cl)

	fmt.Printf("On %s; %d records, one worker; CPU and records/s from 20 %% of the work to its end.\n\n", mode, *records)
	fmt.Println(header)
	for _, name := range strings.Split(*programs, ",") {
		data, ok := inputs[name]
		if !ok {
			return fmt.Errorf("no program %q", name)
		}
		if err := b.preload(ctx, name, data, *records); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		for _, guarantee := range strings.Split(*guarantees, ",") {
			for range *runs {
				if err := b.pair(ctx, name, guarantee, *ours, *theirs); err != nil {
					return fmt.Errorf("%s %s: %w", name, guarantee, err)
				}
			}
		}
	}
	return nil
}

// pair runs a program on both sides and prints the line of both.
func (b *bench) pair(ctx context.Context, name, guarantee, ours, theirs string) error {
	o, err := b.measure(ctx, name, guarantee, ours)
	if err != nil {
		return fmt.Errorf("ours: %w", err)
	}
	if theirs == "" {
		fmt.Println(line(name, guarantee, o, o))
		return nil
	}
	t, err := b.measure(ctx, name, guarantee, theirs)
	if err != nil {
		return fmt.Errorf("measuring Kafka Streams: %w", err)
	}
	fmt.Println(line(name, guarantee, o, t))
	return b.same(ctx, name, o.suffix, t.suffix)
}

const header = `| program | guarantee | CPU µs/record | Kafka Streams | ratio | records/s | Kafka Streams | ratio | peak MiB | Kafka Streams | ratio | other CPU %, broker included |
|---|---|---|---|---|---|---|---|---|---|---|---|`

func line(name, guarantee string, o, t result) string {
	return fmt.Sprintf("| %s | %s | %.1f | %.1f | %.2f | %.0f | %.0f | %.1f | %d | %d | %.2f | %.0f, %.0f |", name, guarantee,
		o.cpu, t.cpu, o.cpu/t.cpu, o.rate, t.rate, o.rate/t.rate,
		o.memory>>20, t.memory>>20, float64(o.memory)/float64(t.memory), o.other, t.other)
}
