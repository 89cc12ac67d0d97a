package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	"github.com/thalweg/thalweg/broker"
)

type brokerCmd struct {
	Listen         string            `default:"127.0.0.1:9092" env:"THALWEG_LISTEN" help:"Address to serve; port 0 takes a free one."`
	Advertise      string            `env:"THALWEG_ADVERTISE" placeholder:"HOST[:PORT]" help:"Address that clients are told, where it is not the one they dialled."`
	Data           string            `default:"thalweg-data" env:"THALWEG_DATA" help:"Directory of logs and metadata."`
	Memory         bool              `env:"THALWEG_MEMORY" help:"Keep everything in memory, where it ends with the process."`
	NodeID         int32             `default:"1" env:"THALWEG_NODE_ID" help:"Broker id that clients see."`
	Rack           string            `env:"THALWEG_RACK" help:"Rack, for clients that prefer near replicas."`
	Flush          string            `enum:"always,os" default:"always" env:"THALWEG_FLUSH" help:"When an acknowledged write is on disk: always (fdatasync first, shared by waiting writers) or os (survives the process, not a loss of power)."`
	Partitions     int32             `default:"1" env:"THALWEG_PARTITIONS" help:"Partitions of topics created without a number."`
	NoAutoCreate   bool              `env:"THALWEG_NO_AUTO_CREATE" help:"Refuse to create topics that clients merely ask about."`
	SyncInterval   time.Duration     `default:"1m" env:"THALWEG_SYNC_INTERVAL" help:"With --flush=os, how often what is in the last segments is synced; full ones are at once."`
	RebalanceDelay time.Duration     `default:"0s" env:"THALWEG_REBALANCE_DELAY" help:"How long an empty group waits for more members; Kafka waits 3s."`
	TopicDefault   map[string]string `placeholder:"KEY=VALUE" mapsep:"none" help:"Default of a topic setting, such as retention.ms=86400000. Repeat for more."`
	Grace          time.Duration     `default:"30s" env:"THALWEG_GRACE" help:"How long a shutdown may wait for requests at work."`
	LogLevel       slog.Level        `default:"info" env:"THALWEG_LOG_LEVEL" help:"debug, info, warn or error."`
}

func (c *brokerCmd) config(log *slog.Logger) broker.Config {
	cfg := broker.Config{
		NodeID:            c.NodeID,
		DataDir:           c.Data,
		Listeners:         []broker.Listener{{Address: c.Listen, Advertise: c.Advertise}},
		Rack:              c.Rack,
		Flush:             broker.Flush(c.Flush),
		DefaultPartitions: c.Partitions,
		NoAutoCreate:      c.NoAutoCreate,
		RebalanceDelay:    c.RebalanceDelay,
		SyncInterval:      c.SyncInterval,
		TopicDefaults:     c.TopicDefault,
		Logger:            log,
	}
	if c.Memory {
		cfg.DataDir = ""
	}
	return cfg
}

// Run serves until the context ends (SIGINT, SIGTERM) and then shuts down: requests at work are finished, logs are closed
// cleanly.
func (c *brokerCmd) Run(e *env) error {
	log := slog.New(slog.NewTextHandler(e.err, &slog.HandlerOptions{Level: c.LogLevel}))
	cfg := c.config(log)
	if err := cfg.Validate(); err != nil {
		return &exitError{exitUsage, err}
	}
	b, err := broker.Start(e, cfg)
	if err != nil {
		return err
	}
	where := "memory"
	if cfg.DataDir != "" {
		where = cfg.DataDir
	}
	started := struct {
		Node    int32    `json:"node"`
		Cluster string   `json:"cluster"`
		Addrs   []string `json:"addrs"`
		Data    string   `json:"data"`
		Flush   string   `json:"flush"`
	}{c.NodeID, b.ClusterID(), b.Addrs(), where, c.Flush}
	err = e.print(started, func(w io.Writer) {
		fmt.Fprintf(w, "broker %d serves %s, data in %s, flush=%s\n", c.NodeID, strings.Join(b.Addrs(), ","), where, c.Flush)
	})
	if err == nil {
		<-e.Done()
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(e), c.Grace)
	defer cancel()
	if stopErr := b.Shutdown(ctx); stopErr != nil {
		return fmt.Errorf("shutdown: %w", stopErr)
	}
	return err
}
