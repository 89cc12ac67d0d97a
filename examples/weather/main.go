// Weather turns the hourly observations of airports into daily summaries: as one live demonstration, or as separate
// producers, workers and watchers around any Kafka-protocol broker.
//
//	weather demo                        everything in one process, with a broker of its own
//	weather produce -speed 60s          the real year into raw_weather_topic; -stations 1000 makes a fleet
//	weather run -state ./state-1        a worker; start more, each with a state directory of its own
//	weather watch                       the results as they come; -once prints where they are and ends
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/alecthomas/kong"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/thalweg/thalweg/internal/flags"
)

type cli struct {
	Demo    demoCmd    `cmd:"" help:"The whole thing in one process, live."`
	Produce produceCmd `cmd:"" help:"Replay a year into the raw topic."`
	Run     runCmd     `cmd:"" help:"Run the pipeline as one worker process of possibly many."`
	Watch   watchCmd   `cmd:"" help:"Show the results as they come."`
}

// cluster holds the flags that the commands of separate processes share.
type cluster struct {
	Brokers    []string `short:"b" env:"THALWEG_BROKERS" default:"localhost:9092" sep:"," placeholder:"HOST:PORT,..." help:"Brokers to start from."`
	Partitions int32    `default:"4" help:"Partitions of the topics, where they do not exist yet."`
}

// newClient makes a client that goes on after a broker has died, even if that happens while they get to know each other,
// where kgo would rather believe in a wrong configuration.
func newClient(brokers []string, opts ...kgo.Opt) (*kgo.Client, error) {
	return kgo.NewClient(append(opts, kgo.SeedBrokers(brokers...), kgo.ClientID("weather"), kgo.AlwaysRetryEOF())...)
}

// patience is how long the commands wait for a broker that does not answer: it may be starting, or starting again.
const patience = 30 * time.Second

// connect makes a client and sees to it that the topics exist, so that the processes, the broker's among them, may be
// started in any order.
func (c *cluster) connect(ctx context.Context) (*kgo.Client, error) {
	cl, err := newClient(c.Brokers)
	if err != nil {
		return nil, err
	}
	if err := c.wait(ctx, cl); err != nil {
		cl.Close()
		return nil, err
	}
	if err := createTopics(ctx, cl, c.Partitions); err != nil {
		cl.Close()
		return nil, err
	}
	return cl, nil
}

// wait returns when a broker answers, and says so when it does not do that at once.
func (c *cluster) wait(ctx context.Context, cl *kgo.Client) error {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("waited %v", patience))
	defer cancel()
	again := time.NewTicker(200 * time.Millisecond)
	defer again.Stop()
	var last error
	for {
		err := cl.Ping(ctx)
		if err == nil {
			return nil
		}
		if last == nil {
			fmt.Fprintf(os.Stderr, "weather: no broker answers at %s yet (start one with: thalweg broker)\n", strings.Join(c.Brokers, ", "))
		}
		if last == nil || ctx.Err() == nil {
			last = err
		}
		select {
		case <-ctx.Done():
			if errors.Is(ctx.Err(), context.Canceled) {
				return ctx.Err()
			}
			return fmt.Errorf("no broker answers at %s: %w: %w", strings.Join(c.Brokers, ", "), context.Cause(ctx), last)
		case <-again.C:
		}
	}
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var c cli
	parser := kong.Must(&c, kong.Name("weather"),
		kong.Description("Hourly observations of airports become daily summaries. Long flags take one dash or two."),
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.Bind(slog.New(slog.NewTextHandler(os.Stderr, nil))))
	args := os.Args[1:]
	if len(args) == 0 {
		args = []string{"--help"}
	}
	command, err := parser.Parse(flags.Long(parser.Model, args))
	parser.FatalIfErrorf(err)
	if err := command.Run(); err != nil {
		if errors.Is(err, context.Canceled) && ctx.Err() != nil {
			fmt.Fprintln(os.Stderr, "weather: interrupted; the same command resumes")
			os.Exit(130)
		}
		fmt.Fprintln(os.Stderr, "weather:", err)
		os.Exit(1)
	}
}
