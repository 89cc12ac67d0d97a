package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/sync/errgroup"

	"github.com/thalweg/thalweg/broker"
	"github.com/thalweg/thalweg/examples/weather/board"
	"github.com/thalweg/thalweg/examples/weather/readings"
	"github.com/thalweg/thalweg/internal/engine"
	"github.com/thalweg/thalweg/runtime"
	"github.com/thalweg/thalweg/state"
)

const demoPartitions = 4

type demoCmd struct {
	Dir   string        `default:".demo" help:"Where broker and state are kept between runs."`
	Speed time.Duration `default:"15s" help:"In which the year passes; 0 is as fast as it goes."`
}

// Run replays the year into a broker of its own while the pipeline runs, shows the results as they come, and then does
// it all once more as fast as it goes, in memory. A run that was interrupted is resumed.
func (c *demoCmd) Run(ctx context.Context) error {
	if err := os.MkdirAll(c.Dir, 0o755); err != nil {
		return err
	}
	logs, err := os.OpenFile(filepath.Join(c.Dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer logs.Close()
	log := slog.New(slog.NewTextHandler(logs, nil))

	began := time.Now()
	live, err := c.live(ctx, log)
	if err != nil {
		return fmt.Errorf("%w (see %s)", err, logs.Name())
	}
	fmt.Printf("the year in %.1f s, results following it\n", time.Since(began).Seconds())

	flat, err := flatOut(ctx, log)
	if err != nil {
		return fmt.Errorf("flat out: %w (see %s)", err, logs.Name())
	}
	fmt.Printf("the same year flat out: %s rows in %.2f s, %s rows/s\n", thousands(flat.rows), flat.took.Seconds(), thousands(int64(float64(flat.rows)/flat.took.Seconds())))
	if flat.hash != live.hash {
		return fmt.Errorf("the two runs differ: sha256 %s when live, %s flat out", live.hash, flat.hash)
	}
	live.print(os.Stdout)
	return nil
}

// outcome is what a finished run amounts to.
type outcome struct {
	rows, invalid, windows int64
	reasons                map[string]int
	engine, hash           string
	took                   time.Duration
}

func (o outcome) print(w io.Writer) {
	fmt.Fprintf(w, "rows=%d invalid=%d%s windows=%d\n", o.rows, o.invalid, reasonList(o.reasons), o.windows)
	fmt.Fprintf(w, "engine=%s\n", o.engine)
	fmt.Fprintf(w, "sha256(processed)=%s\n", o.hash)
}

// outcomeOf reads the outcome off a board that has caught up with a finished run.
func outcomeOf(b *board.Board, engine string, took time.Duration) outcome {
	reasons, invalid := b.Reasons()
	return outcome{
		rows: b.Readings() + int64(invalid), invalid: int64(invalid), windows: int64(b.Windows()),
		reasons: reasons, engine: engine, hash: b.Hash(), took: took,
	}
}

// live replays the year into the broker in the demo's directory while the pipeline runs, until the result of every row
// is committed and shown.
func (c *demoCmd) live(ctx context.Context, log *slog.Logger) (o outcome, err error) {
	cluster, err := broker.StartEmbedded(ctx, broker.Config{DataDir: filepath.Join(c.Dir, "broker"), Logger: log})
	if err != nil {
		return o, err
	}
	defer func() { err = errors.Join(err, cluster.Close()) }()
	s, err := openStage(ctx, cluster.Addrs(), engine.Dir(filepath.Join(c.Dir, "state")), log)
	if err != nil {
		return o, err
	}
	defer s.close()
	year, err := newReplay(0, c.Speed)
	if err != nil {
		return o, err
	}
	if err := year.resume(ctx, cluster.Addrs(), os.Stdout); err != nil {
		return o, err
	}

	began := time.Now()
	show := newDisplay(os.Stdout)
	defer func() { err = errors.Join(show.close(), err) }()
	running, stop := context.WithCancel(ctx)
	defer stop()
	group, running := errgroup.WithContext(running)
	replayed := make(chan struct{})
	group.Go(func() error { return s.app.Run(running) })
	group.Go(func() error {
		defer close(replayed)
		return year.run(running, cluster.Addrs())
	})
	group.Go(func() error {
		defer stop()
		return watch(running, s.adm, s.follower, s.board, show, progress{Engine: s.engine, Total: readings.Rows}, replayed)
	})
	if err := group.Wait(); err != nil {
		return o, err
	}
	return outcomeOf(s.board, s.engine, time.Since(began)), nil
}

// flatOut runs the pipeline over the same year, all of it there before it begins, on a broker in memory. The time is that
// from the start of the application, joining its group included, to the commit of the last row.
func flatOut(ctx context.Context, log *slog.Logger) (o outcome, err error) {
	dir, err := os.MkdirTemp("", "thalweg-weather-")
	if err != nil {
		return o, err
	}
	defer os.RemoveAll(dir)
	cluster, err := broker.StartEmbedded(ctx, broker.Config{Logger: log})
	if err != nil {
		return o, err
	}
	defer func() { err = errors.Join(err, cluster.Close()) }()
	s, err := openStage(ctx, cluster.Addrs(), engine.Dir(dir), log)
	if err != nil {
		return o, err
	}
	defer s.close()
	year, err := newReplay(0, 0)
	if err != nil {
		return o, err
	}
	if err := year.run(ctx, cluster.Addrs()); err != nil {
		return o, err
	}

	running, stop := context.WithCancel(ctx)
	defer stop()
	group, running := errgroup.WithContext(running)
	began := time.Now()
	var took time.Duration
	group.Go(func() error { return s.app.Run(running) })
	group.Go(func() error {
		defer stop()
		err := waitCommitted(running, s.adm, 2*time.Millisecond)
		took = time.Since(began)
		return err
	})
	if err := group.Wait(); err != nil {
		return o, err
	}
	if err := s.follower.CatchUp(ctx, s.board); err != nil {
		return o, err
	}
	return outcomeOf(s.board, s.engine, took), nil
}

// stage is what both runs need: topics, the application, and a board with what the topics hold already.
type stage struct {
	cl       *kgo.Client
	adm      *kadm.Client
	app      *runtime.App
	follower *board.Follower
	board    *board.Board
	engine   string
}

func openStage(ctx context.Context, brokers []string, backend state.Backend, log *slog.Logger) (*stage, error) {
	cl, err := newClient(brokers)
	if err != nil {
		return nil, err
	}
	s := &stage{cl: cl, adm: kadm.NewClient(cl), board: board.New(), engine: backend.Name()}
	err = createTopics(ctx, cl, demoPartitions)
	if err == nil {
		s.app, err = newApp(runtime.Config{Brokers: brokers, State: backend, Logger: log})
	}
	if err == nil {
		s.follower, err = board.Follow(ctx, brokers)
	}
	if err == nil {
		err = s.follower.CatchUp(ctx, s.board)
	}
	if err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (s *stage) close() {
	if s.follower != nil {
		s.follower.Close()
	}
	s.cl.Close()
}
