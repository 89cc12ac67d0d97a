// Dashboard is a web page that draws processed_weather_topic as it grows: server-sent events, html/template and inline
// SVG, nothing to build and nothing to download.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/thalweg/thalweg/examples/weather/board"
)

func main() {
	brokers := flag.String("brokers", envOr("THALWEG_BROKERS", "localhost:9092"), "brokers to start from, with commas between")
	listen := flag.String("listen", "localhost:8080", "address of the page")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, strings.Split(*brokers, ","), *listen, func(url string) { fmt.Println("dashboard at", url) }); err != nil {
		log.Fatal("dashboard: ", err)
	}
}

func envOr(name, otherwise string) string {
	if v := os.Getenv(name); v != "" {
		return v
	}
	return otherwise
}

// run serves the page until ctx ends; ready is told where.
func run(ctx context.Context, brokers []string, listen string, ready func(url string)) error {
	follower, err := board.Follow(ctx, brokers)
	if err != nil {
		return err
	}
	defer follower.Close()
	l, err := net.Listen("tcp", listen)
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	h := newHub()
	server := &http.Server{
		Handler:           h.routes(),
		ReadHeaderTimeout: 5 * time.Second,
		BaseContext:       func(net.Listener) context.Context { return ctx }, // ends the event streams
	}
	group.Go(func() error { return h.follow(ctx, follower) })
	group.Go(func() error {
		if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	})
	group.Go(func() error {
		<-ctx.Done()
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		return server.Shutdown(grace)
	})
	ready("http://" + l.Addr().String())
	return group.Wait()
}
