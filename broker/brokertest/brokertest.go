// Package brokertest starts brokers for tests, as net/http/httptest starts web
// servers.
package brokertest

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/thalweg/thalweg/broker"
	"github.com/thalweg/thalweg/broker/log/vfs"
)

// Cluster is a broker that a test has started. It is stopped when the test
// ends. Its methods fail the test on error and are for the test's goroutine.
type Cluster struct {
	tb  testing.TB
	cfg broker.Config
	b   *broker.Broker
}

// Start starts a broker. Without options it is in memory, on a free port of the
// loopback interface, and silent.
func Start(tb testing.TB, opts ...Option) *Cluster {
	tb.Helper()
	c := &Cluster{tb: tb, cfg: broker.Config{Logger: slog.New(slog.DiscardHandler)}}
	for _, o := range opts {
		o(&c.cfg)
	}
	if c.cfg.DataDir == "" && c.cfg.FS == nil {
		c.cfg.FS = vfs.NewMem() // outlives the broker, so that Restart finds it
	}
	c.start()
	tb.Cleanup(c.Stop)
	return c
}

// Option changes the configuration of a broker.
type Option func(*broker.Config)

// OnDisk keeps the broker's data in a directory of the test.
func OnDisk(tb testing.TB) Option {
	dir := tb.TempDir()
	return func(c *broker.Config) { c.DataDir = dir }
}

// With changes any setting.
func With(change func(*broker.Config)) Option { return change }

func (c *Cluster) start() {
	c.tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	b, err := broker.Start(ctx, c.cfg)
	if err != nil {
		c.tb.Fatal(err)
	}
	c.b = b
	if len(c.cfg.Listeners) == 0 {
		// A restart serves the same address.
		c.cfg.Listeners = []broker.Listener{{Address: b.Addrs()[0]}}
	}
}

// Addrs returns the addresses to bootstrap clients from. They stay the same
// over restarts.
func (c *Cluster) Addrs() []string { return c.b.Addrs() }

// Broker returns the broker that runs now.
func (c *Cluster) Broker() *broker.Broker { return c.b }

// Stop shuts the broker down in order. Stopping twice is harmless.
func (c *Cluster) Stop() {
	c.tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := c.b.Shutdown(ctx); err != nil {
		c.tb.Errorf("stop broker: %v", err)
	}
}

// Kill ends the broker like kill -9: connections break, nothing is closed
// cleanly. What was written stays, flushed or not; for the loss of power use a
// file system of vfs.NewFault.
func (c *Cluster) Kill() { c.b.Kill() }

// Restart starts the broker again on its data, after stopping it if it runs.
func (c *Cluster) Restart() {
	c.tb.Helper()
	c.Stop()
	c.start()
}
