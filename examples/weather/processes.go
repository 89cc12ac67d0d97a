package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/thalweg/thalweg/examples/weather/board"
	"github.com/thalweg/thalweg/examples/weather/pipeline"
	"github.com/thalweg/thalweg/internal/engine"
	"github.com/thalweg/thalweg/runtime"
)

type produceCmd struct {
	cluster
	Stations int           `help:"Make a fleet of this many stations from the real curves; 0 is the three real stations."`
	Speed    time.Duration `default:"15s" help:"In which the year passes; 0 is as fast as it goes."`
}

func (c *produceCmd) Run(ctx context.Context) error {
	cl, err := c.connect(ctx)
	if err != nil {
		return err
	}
	cl.Close()
	r, err := newReplay(c.Stations, c.Speed)
	if err != nil {
		return err
	}
	began := time.Now()
	if err := r.resume(ctx, c.Brokers, os.Stdout); err != nil {
		return err
	}
	if err := r.run(ctx, c.Brokers); err != nil {
		return err
	}
	fmt.Printf("%s rows in %s, %.1f s\n", thousands(r.sent.Load()), pipeline.Raw.Name, time.Since(began).Seconds())
	return nil
}

type runCmd struct {
	cluster
	State   string `default:".weather-state" help:"Directory of the local state. Each process has its own."`
	Workers int    `help:"Workers in this process; 0 is one for each processor."`

	AtLeastOnce bool `help:"Commit without transactions: after a crash, rows may be counted again."`
}

func (c *runCmd) Run(ctx context.Context, log *slog.Logger) error {
	cl, err := c.connect(ctx)
	if err != nil {
		return err
	}
	cl.Close()
	cfg := runtime.Config{Brokers: c.Brokers, State: engine.Dir(c.State), Workers: c.Workers, Logger: log}
	if c.AtLeastOnce {
		cfg.Guarantee, cfg.CommitInterval = runtime.AtLeastOnce, time.Second
	}
	app, err := newApp(cfg)
	if err != nil {
		return err
	}
	return app.Run(ctx)
}

// newApp makes the application that runs the pipeline: exactly once, where cfg does not say otherwise.
func newApp(cfg runtime.Config) (*runtime.App, error) {
	topo, err := pipeline.Topology()
	if err != nil {
		return nil, err
	}
	cfg.ApplicationID = application
	return runtime.New(topo, cfg)
}

type watchCmd struct {
	cluster
	Once bool `help:"Wait until every row that is there now is processed, print the summary and the hash, and end."`
}

func (c *watchCmd) Run(ctx context.Context) error {
	cl, err := c.connect(ctx)
	if err != nil {
		return err
	}
	defer cl.Close()
	adm := kadm.NewClient(cl)
	follower, err := board.Follow(ctx, c.Brokers)
	if err != nil {
		return err
	}
	defer follower.Close()
	b := board.New()
	if c.Once {
		return once(ctx, adm, follower, b)
	}
	show := newDisplay(os.Stdout)
	err = watch(ctx, adm, follower, b, show, progress{Engine: "of the workers"}, nil)
	if ctx.Err() != nil {
		err = nil // the user has seen enough
	}
	return errors.Join(err, show.close())
}

// once waits for the workers to commit what the raw topic holds now, and prints what came of it.
func once(ctx context.Context, adm *kadm.Client, follower *board.Follower, b *board.Board) error {
	began := time.Now()
	if err := waitCommitted(ctx, adm, 100*time.Millisecond); err != nil {
		return err
	}
	if err := follower.CatchUp(ctx, b); err != nil {
		return err
	}
	outcomeOf(b, "of the workers", time.Since(began)).print(os.Stdout)
	return nil
}
