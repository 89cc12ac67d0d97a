//go:build chaos

package trial

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/thalweg/thalweg/broker"
	"github.com/thalweg/thalweg/internal/engine"
)

// TestMain makes this binary a broker or a worker where a trial starts it as one.
func TestMain(m *testing.M) {
	var err error
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	switch {
	case os.Getenv("TRIAL_BROKER") != "":
		err = brokerProcess(os.Getenv("TRIAL_BROKER"), os.Args[1], log)
	case os.Getenv("TRIAL_WORKER") != "":
		err = workerProcess(os.Getenv("TRIAL_WORKER"), os.Args[1], log)
	default:
		os.Exit(m.Run())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func brokerProcess(address, dir string, log *slog.Logger) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	go obey(func() {})
	cluster, err := broker.StartEmbedded(ctx, broker.Config{
		Listeners: []broker.Listener{{Address: address}}, DataDir: dir, Logger: log,
		CompactionCheck: time.Second, RetentionCheck: time.Second,
	})
	if err != nil {
		return err
	}
	<-ctx.Done()
	return cluster.Close()
}

// obey calls f for each byte that the trial writes. It ends the process with the trial, however that ends.
func obey(f func()) {
	in := bufio.NewReader(os.Stdin)
	for {
		if _, err := in.ReadByte(); err != nil {
			os.Exit(3)
		}
		f()
	}
}

// workerProcess runs the application. User code fails when the trial says so.
func workerProcess(encoded, dir string, log *slog.Logger) error {
	var s settings
	if err := json.Unmarshal([]byte(encoded), &s); err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	f := &fuse{}
	go obey(f.light)
	return runWorker(ctx, s, engine.Dir(dir), f, log)
}

// process is this binary as a broker or a worker, which ends and starts again. What it says goes to a file.
type process struct {
	t    *testing.T
	name string
	env  string
	dir  string // its data
	log  *os.File

	mu    sync.Mutex
	cmd   *exec.Cmd
	in    io.Writer     // what the process obeys
	done  chan struct{} // closed when cmd has ended
	meant bool          // that it ends
}

func newProcess(t *testing.T, dir, name, env string) *process {
	t.Helper()
	log, err := os.Create(filepath.Join(dir, name+".log"))
	if err != nil {
		t.Fatal(err)
	}
	p := &process{t: t, name: name, env: env, dir: filepath.Join(dir, name), log: log}
	p.start()
	t.Cleanup(func() {
		p.end(syscall.SIGKILL)
		log.Close()
	})
	return p
}

func (p *process) start() {
	self, err := os.Executable()
	if err != nil {
		p.t.Error(err)
		return
	}
	cmd := exec.Command(self, p.dir)
	cmd.Env = append(os.Environ(), p.env)
	cmd.Stdout, cmd.Stderr = p.log, p.log
	in, err := cmd.StdinPipe()
	if err != nil {
		p.t.Error(err)
		return
	}
	fmt.Fprintf(p.log, "=== start\n")
	if err := cmd.Start(); err != nil {
		p.t.Error(err)
		return
	}
	done := make(chan struct{})
	p.mu.Lock()
	p.cmd, p.in, p.done, p.meant = cmd, in, done, false
	p.mu.Unlock()
	go func() {
		defer close(done)
		err := cmd.Wait()
		p.mu.Lock()
		defer p.mu.Unlock()
		if !p.meant {
			p.t.Errorf("%s ended by itself: %v; see %s", p.name, err, p.log.Name())
		}
	}()
}

func (p *process) signal(s syscall.Signal) {
	p.mu.Lock()
	defer p.mu.Unlock()
	_ = p.cmd.Process.Signal(s) // it may have ended, which is told where it is waited for
}

// fail has user code of a worker fail.
func (p *process) fail() {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, _ = p.in.Write([]byte{'!'}) // it may have ended
}

// end ends the process and waits until it is gone.
func (p *process) end(by syscall.Signal) {
	p.mu.Lock()
	p.meant = true
	cmd, done := p.cmd, p.done
	p.mu.Unlock()
	_ = cmd.Process.Signal(by)
	<-done
	fmt.Fprintf(p.log, "=== %v\n", by)
	if by == syscall.SIGTERM && !cmd.ProcessState.Success() {
		p.t.Errorf("%s did not stop in order: %v; see %s", p.name, cmd.ProcessState, p.log.Name())
	}
}
