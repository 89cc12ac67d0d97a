package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/thalweg/thalweg/broker"
	"github.com/thalweg/thalweg/examples/weather/expected"
	"github.com/thalweg/thalweg/examples/weather/pipeline"
)

// TestMain makes this binary the weather command where a test starts it as one.
func TestMain(m *testing.M) {
	if os.Getenv("WEATHER_COMMAND") != "" {
		main()
		return
	}
	if address := os.Getenv("WEATHER_BROKER"); address != "" {
		if err := serve(address, os.Args[1]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// process is a running weather command. Its output is shown when the test fails.
type process struct {
	cmd *exec.Cmd
	mu  sync.Mutex
	out bytes.Buffer // guarded by mu
}

// Write takes the output of the process.
func (p *process) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.out.Write(b)
}

// output is what the process has said so far.
func (p *process) output() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.out.String()
}

// start runs a weather command as a process of its own, against brokers.
func start(t *testing.T, brokers []string, args ...string) *process {
	t.Helper()
	return startSelf(t, []string{"WEATHER_COMMAND=1", "THALWEG_BROKERS=" + strings.Join(brokers, ",")}, args...)
}

// serve is a broker as a process of its own, which is how WEATHER_BROKER starts this binary.
func serve(address, dir string) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	cluster, err := broker.StartEmbedded(ctx, broker.Config{
		Listeners: []broker.Listener{{Address: address}}, DataDir: dir, RetentionCheck: time.Second, CompactionCheck: time.Second,
	})
	if err != nil {
		return err
	}
	<-ctx.Done()
	return cluster.Close()
}

// startBroker runs a broker as a process of its own.
func startBroker(t *testing.T, address, dir string) *process {
	t.Helper()
	return startSelf(t, []string{"WEATHER_BROKER=" + address}, dir)
}

// startSelf runs this binary again, as what the environment says.
func startSelf(t *testing.T, env []string, args ...string) *process {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	p := &process{cmd: exec.Command(self, args...)}
	p.cmd.Env = append(os.Environ(), env...)
	p.cmd.Stdout, p.cmd.Stderr = p, p
	require.NoError(t, p.cmd.Start())
	t.Cleanup(func() {
		if p.cmd.ProcessState == nil {
			p.cmd.Process.Kill()
			p.cmd.Wait()
		}
		if t.Failed() {
			t.Logf("%s %s:\n%s", env[0], strings.Join(args, " "), p.output())
		}
	})
	return p
}

// wait waits for the end of a command that must succeed, and gives its output.
func (p *process) wait(t *testing.T) string {
	t.Helper()
	require.NoError(t, p.cmd.Wait(), p.output())
	return p.output()
}

func (p *process) stop(t *testing.T) {
	t.Helper()
	require.NoError(t, p.cmd.Process.Signal(syscall.SIGTERM))
	p.wait(t)
}

// embedded starts a broker in memory that deletes and compacts all the time.
func embedded(t *testing.T) []string {
	t.Helper()
	cluster, err := broker.StartEmbedded(context.Background(), broker.Config{RetentionCheck: 200 * time.Millisecond, CompactionCheck: 200 * time.Millisecond})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, cluster.Close()) })
	return cluster.Addrs()
}

// freeAddress is an address that a broker can come back to.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	return l.Addr().String()
}

// summary is what watch --once prints for the real year.
func summary(t *testing.T) string {
	t.Helper()
	want, err := expected.Year()
	require.NoError(t, err)
	return fmt.Sprintf("rows=%d invalid=6 (impossible-wind=1 no-temperature=1 no-wind=4) windows=%d\nengine=of the workers\nsha256(processed)=%s\n",
		want.Rows, want.Windows, want.Hash)
}

// Two workers share the partitions; one leaves in the middle. What comes out is what the year amounts to.
func TestProcesses(t *testing.T) {
	brokers, dir := embedded(t), t.TempDir()
	producer := start(t, brokers, "produce", "-speed", "2s")
	first := start(t, brokers, "run", "--state", filepath.Join(dir, "1"))
	second := start(t, brokers, "run", "--state", filepath.Join(dir, "2"), "--workers", "2")
	require.Contains(t, producer.wait(t), "26,115 rows in raw_weather_topic")
	second.stop(t)
	require.Equal(t, summary(t), start(t, brokers, "watch", "--once").wait(t))
	first.stop(t)

	again := start(t, brokers, "produce").wait(t)
	require.Contains(t, again, "resumed at the end of the year: all 26,115 rows were there")
}

// The year is of 2013, and the broker deletes by the times of records: what a worker that comes late reads is all there,
// and so is what it wrote when the broker has looked for old records again. An interrupted replay goes on.
func TestYearIsOld(t *testing.T) {
	brokers, dir := embedded(t), t.TempDir()
	half := start(t, brokers, "produce", "-speed", "3s")
	cl := client(t, brokers)
	adm := kadm.NewClient(cl)
	require.Eventually(t, func() bool {
		ends, err := adm.ListEndOffsets(t.Context(), pipeline.Raw.Name)
		var n int64
		ends.Each(func(o kadm.ListedOffset) { n += o.Offset })
		return err == nil && ends.Error() == nil && n > 3000
	}, 30*time.Second, 10*time.Millisecond)
	require.NoError(t, half.cmd.Process.Kill())
	_ = half.cmd.Wait()
	looksForOld(t, cl)
	require.Contains(t, start(t, brokers, "produce", "-speed", "0s").wait(t), "26,115 rows in raw_weather_topic")

	looksForOld(t, cl)
	worker := start(t, brokers, "run", "--state", filepath.Join(dir, "1"))
	require.Equal(t, summary(t), start(t, brokers, "watch", "--once").wait(t))
	looksForOld(t, cl)
	require.Equal(t, summary(t), start(t, brokers, "watch", "--once").wait(t))
	worker.stop(t)
}

// A replay whose rows were deleted cannot go on, and says so.
func TestRowsAreGone(t *testing.T) {
	brokers := embedded(t)
	start(t, brokers, "produce", "-speed", "0s").wait(t)
	adm := kadm.NewClient(client(t, brokers))
	ends, err := adm.ListEndOffsets(t.Context(), pipeline.Raw.Name)
	require.NoError(t, err)
	_, err = adm.DeleteRecords(t.Context(), ends.Offsets())
	require.NoError(t, err)
	again := start(t, brokers, "produce", "-speed", "0s")
	require.Error(t, again.cmd.Wait())
	require.Contains(t, again.output(), "were deleted, so there is no telling where to go on")
}

// client connects to brokers.
func client(t *testing.T, brokers []string) *kgo.Client {
	t.Helper()
	cl, err := newClient(brokers)
	require.NoError(t, err)
	t.Cleanup(cl.Close)
	return cl
}

// looksForOld returns when the broker has looked for old records, which it does partition by partition, twice: a topic
// that keeps them for a day has lost one of the year.
func looksForOld(t *testing.T, cl *kgo.Client) {
	t.Helper()
	adm := kadm.NewClient(cl)
	for range 2 {
		name := "canary-" + rand.Text()
		_, err := adm.CreateTopic(t.Context(), 1, 1, map[string]*string{"retention.ms": new("86400000")}, name)
		require.NoError(t, err)
		old := &kgo.Record{Topic: name, Value: []byte("old"), Timestamp: time.Date(2013, 6, 1, 0, 0, 0, 0, time.UTC)}
		require.NoError(t, cl.ProduceSync(t.Context(), old).FirstErr())
		require.Eventually(t, func() bool {
			first, err := adm.ListStartOffsets(t.Context(), name)
			at, _ := first.Lookup(name, 0)
			return err == nil && at.Offset == 1
		}, 30*time.Second, 10*time.Millisecond)
	}
}

// The processes may be started in any order: those that need the broker wait for it.
func TestBrokerComesLast(t *testing.T) {
	brokers, dir := []string{freeAddress(t)}, t.TempDir()
	producer := start(t, brokers, "produce", "--speed", "0s")
	worker := start(t, brokers, "run", "--state", filepath.Join(dir, "state"))
	for _, p := range []*process{producer, worker} {
		require.Eventually(t, func() bool { return strings.Contains(p.output(), "no broker answers at "+brokers[0]+" yet") }, 30*time.Second, 10*time.Millisecond)
	}
	broker := startBroker(t, brokers[0], filepath.Join(dir, "broker"))
	producer.wait(t)
	require.Equal(t, summary(t), start(t, brokers, "watch", "--once").wait(t))
	worker.stop(t)
	broker.stop(t)
}

// A demo that is interrupted at any moment is resumed by the next, and ends where an undisturbed one ends.
func TestDemoResumes(t *testing.T) {
	dir := t.TempDir()
	first := start(t, nil, "demo", "--dir", dir, "--speed", "3s")
	require.Eventually(t, func() bool { return directoryHolds(t, dir, "broker", "raw_weather_topic-0") }, 30*time.Second, 10*time.Millisecond)
	require.NoError(t, first.cmd.Process.Kill())
	_ = first.cmd.Wait()

	out := start(t, nil, "demo", "--dir", dir, "--speed", "1s").wait(t)
	want, err := expected.Year()
	require.NoError(t, err)
	require.Contains(t, out, "\nrows=26115 invalid=6 (impossible-wind=1 no-temperature=1 no-wind=4) windows=1092\n")
	require.True(t, strings.HasSuffix(out, "sha256(processed)="+want.Hash+"\n"), out)

	again := start(t, nil, "demo", "--dir", dir).wait(t)
	require.Contains(t, again, "resumed at the end of the year")
	require.True(t, strings.HasSuffix(again, "sha256(processed)="+want.Hash+"\n"), again)
}

// directoryHolds reports whether a partition's directory has a log with something in it.
func directoryHolds(t *testing.T, parts ...string) bool {
	t.Helper()
	logs, err := filepath.Glob(filepath.Join(append(parts, "*.log")...))
	require.NoError(t, err)
	for _, l := range logs {
		f, err := os.Open(l)
		require.NoError(t, err)
		n, err := f.Seek(0, io.SeekEnd)
		f.Close()
		require.NoError(t, err)
		if n > 0 {
			return true
		}
	}
	return false
}
