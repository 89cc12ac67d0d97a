// Wordcount counts the words of its standard input, with a broker of its own, and prints each count as it grows.
//
//	echo "to be or not to be" | go run ./examples/wordcount
package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/sync/errgroup"

	"github.com/thalweg/thalweg/broker"
	"github.com/thalweg/thalweg/dsl"
	"github.com/thalweg/thalweg/runtime"
	"github.com/thalweg/thalweg/serde"
	"github.com/thalweg/thalweg/state/mem"
	"github.com/thalweg/thalweg/topology"
)

// The topics and what travels on them.
var (
	lines  = topology.NewTopic("lines", serde.String, serde.String)
	counts = topology.NewTopic("word-counts", serde.String, serde.Int64)
)

func wordCount() (*topology.Topology, error) {
	b := dsl.NewBuilder()
	b.Stream(lines).
		MapValues(strings.ToLower).
		FlatMapValues(strings.FieldsSeq).
		GroupBy(dsl.Value).
		Count("counts").
		ToStream().
		To(counts)
	return b.Build()
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Stdin, os.Stdout); err != nil {
		log.Fatal("wordcount: ", err)
	}
}

// run counts the words of in until it ends and the last count is printed, or until ctx ends.
func run(ctx context.Context, in io.Reader, out io.Writer) error {
	quiet := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	cluster, err := broker.StartEmbedded(ctx, broker.Config{Logger: quiet})
	if err != nil {
		return err
	}
	defer cluster.Close()
	cl, err := kgo.NewClient(kgo.SeedBrokers(cluster.Addrs()...), kgo.ConsumeTopics(counts.Name),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	if err != nil {
		return err
	}
	defer cl.Close()
	keep := map[string]*string{"retention.ms": new("-1")} // instead of 7 days from the records' times
	created, err := kadm.NewClient(cl).CreateTopics(ctx, 2, -1, keep, lines.Name, counts.Name)
	if err == nil {
		err = created.Error()
	}
	if err != nil {
		return err
	}
	topo, err := wordCount()
	if err != nil {
		return err
	}

	ctx, stop := context.WithCancel(ctx)
	defer stop()
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		return runtime.Run(ctx, topo, runtime.Config{ApplicationID: "wordcount", Brokers: cluster.Addrs(), State: mem.New(), Logger: quiet})
	})
	words := make(chan int, 1) // how many there were
	group.Go(func() error {
		n := 0
		for s := bufio.NewScanner(in); s.Scan(); {
			n += len(strings.Fields(s.Text()))
			if err := cl.ProduceSync(ctx, &kgo.Record{Topic: lines.Name, Value: s.Bytes()}).FirstErr(); err != nil {
				return err
			}
		}
		words <- n
		return nil
	})
	group.Go(func() error {
		defer stop()
		return printCounts(ctx, cl, out, words)
	})
	return group.Wait()
}

// printCounts prints counts until they add up to the number of words, once that is known.
func printCounts(ctx context.Context, cl *kgo.Client, out io.Writer, words <-chan int) error {
	latest, sum, want := map[string]int64{}, int64(0), int64(-1)
	for want < 0 || sum < want {
		select {
		case n := <-words:
			want = int64(n)
			continue
		default:
		}
		poll, cancel := context.WithTimeout(ctx, 100*time.Millisecond) // to look at words again
		fetches := cl.PollFetches(poll)
		over := poll.Err() != nil
		cancel()
		if ctx.Err() != nil {
			return nil
		}
		if err := fetches.Err(); err != nil && !over {
			return err
		}
		for r := range fetches.RecordsAll() {
			var n int64
			if err := counts.Value.Decode(r.Value, &n); err != nil {
				return err
			}
			word := string(r.Key)
			sum += n - latest[word]
			latest[word] = n
			if _, err := fmt.Fprintf(out, "%s %d\n", word, n); err != nil {
				return err
			}
		}
	}
	return nil
}
