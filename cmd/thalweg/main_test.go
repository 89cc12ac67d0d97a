package main

import (
	"context"
	"encoding/json/v2"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kfake"
)

// TestMain makes "exec thalweg" in the scripts run this binary as the command line.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"thalweg": func() {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		defer stop()
		os.Exit(run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
	}})
}

// TestScripts runs testdata/*.txtar, each with a broker of its own at $THALWEG_BROKERS.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Cmds:                map[string]func(*testscript.TestScript, bool, []string){"served": served, "resolved": resolved},
		Setup: func(e *testscript.Env) error {
			c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.DefaultNumPartitions(4))
			if err != nil {
				return err
			}
			e.Defer(c.Close)
			e.Setenv("THALWEG_BROKERS", strings.Join(c.ListenAddrs(), ","))
			goEnv, err := exec.Command("go", "env", "GOROOT", "GOCACHE", "GOMODCACHE", "GOPROXY").Output()
			if err != nil {
				return err
			}
			v := strings.Split(string(goEnv), "\n")
			e.Setenv("PATH", filepath.Join(v[0], "bin")+string(filepath.ListSeparator)+e.Getenv("PATH"))
			e.Setenv("GOCACHE", v[1])
			e.Setenv("GOMODCACHE", v[2])
			e.Setenv("GOPROXY", v[3])
			e.Setenv("GOTOOLCHAIN", "auto")
			e.Setenv("CHECKOUT", checkout())
			return nil
		},
	})
}

// served waits until the broker that writes to the file serves, and makes the commands after it use that broker.
func served(ts *testscript.TestScript, _ bool, args []string) {
	for deadline := time.Now().Add(30 * time.Second); ; {
		text, err := os.ReadFile(ts.MkAbs(args[0]))
		if err == nil && strings.HasSuffix(string(text), "\n") {
			var started struct {
				Addrs []string `json:"addrs"`
			}
			ts.Check(json.Unmarshal(text, &started, json.RejectUnknownMembers(false)))
			ts.Setenv("THALWEG_BROKERS", strings.Join(started.Addrs, ","))
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("the broker does not serve: %v", err)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func resolved(ts *testscript.TestScript, _ bool, _ []string) { ts.Check(takeModules(ts.MkAbs("."))) }

// takeModules stands for go mod tidy in a new project: it takes over the requirements of this module, so that the test does
// without a network.
func takeModules(dir string) error {
	root := checkout()
	theirs, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		return err
	}
	ours, err := os.ReadFile(filepath.Join(dir, "go.mod"))
	if err != nil {
		return err
	}
	_, requirements, _ := strings.Cut(string(theirs), "\nrequire (")
	requirements, _, _ = strings.Cut(requirements, "\ntool (")
	if err := os.WriteFile(filepath.Join(dir, "go.mod"), []byte(string(ours)+"\nrequire ("+requirements), 0o644); err != nil {
		return err
	}
	sums, err := os.ReadFile(filepath.Join(root, "go.sum"))
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "go.sum"), sums, 0o644)
}

// TestProjectReadme types what the README of a new project says, line by line.
func TestProjectReadme(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "tally")
	require.NoError(t, os.Mkdir(dir, 0o755))
	_, err := writeProject(dir, project{Name: "tally", Module: "tally", Version: "v0.0.0", Replace: checkout()})
	require.NoError(t, err)
	require.NoError(t, takeModules(dir))

	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	addr := l.Addr().String()
	require.NoError(t, l.Close())
	env := append(os.Environ(), "THALWEG_LISTEN="+addr, "THALWEG_BROKERS="+addr, "GOFLAGS=-mod=mod", "GOTOOLCHAIN=auto")
	text, err := os.ReadFile(filepath.Join(dir, "README.md"))
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	var running []*exec.Cmd
	defer func() {
		cancel()
		for _, c := range running {
			c.Wait()
		}
	}()
	var out []byte
	for line := range strings.Lines(string(text)) {
		line, code := strings.CutPrefix(strings.TrimRight(line, "\n"), "    ")
		if !code {
			continue
		}
		line, background := strings.CutSuffix(line, " &")
		c := exec.CommandContext(ctx, "bash", "-c", "exec "+line)
		if !background {
			c = exec.CommandContext(ctx, "bash", "-c", line)
		}
		c.Dir, c.Env, c.WaitDelay = dir, env, 10*time.Second
		c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // "go run" passes no signal on
		c.Cancel = func() error { return syscall.Kill(-c.Process.Pid, syscall.SIGTERM) }
		if !background {
			out, err = c.CombinedOutput()
			require.NoError(t, err, "%s:\n%s", line, out)
			continue
		}
		require.NoError(t, c.Start())
		running = append(running, c)
		if strings.Contains(line, "broker") {
			require.Eventually(t, func() bool {
				conn, err := net.Dial("tcp", addr)
				if err != nil {
					return false
				}
				return conn.Close() == nil
			}, time.Minute, 50*time.Millisecond)
		}
	}
	require.Equal(t, []string{"be 2", "not 1", "or 1", "to 2"}, slices.Sorted(strings.SplitSeq(strings.TrimSpace(string(out)), "\n")))
}

func TestParseFrom(t *testing.T) {
	for _, good := range []string{"beginning", "end", "0", "42", "-3", "2026-01-02T15:04:05Z", "2026-01-02T15:04:05+02:00"} {
		_, err := parseFrom(good)
		require.NoError(t, err, good)
	}
	for _, bad := range []string{"", "middle", "1.5", "2026-01-02"} {
		_, err := parseFrom(bad)
		require.ErrorContains(t, err, "want beginning", bad)
	}
}

func TestRecordRoundTrip(t *testing.T) {
	for name, line := range map[string]string{
		"text":      `{"key":"k","value":"v"}`,
		"tombstone": `{"key":"k","value":null}`,
		"empty":     `{"key":"","value":""}`,
		"bytes":     `{"key":null,"key_base64":"/wA=","value":"v"}`,
		"headers":   `{"key":"k","value":"v","headers":[{"key":"a","value":"1"},{"key":"a","value":null}]}`,
		"partition": `{"partition":3,"time":"2026-01-02T15:04:05Z","key":"k","value":"v"}`,
	} {
		t.Run(name, func(t *testing.T) {
			r, p, err := parseRecord([]byte(line))
			require.NoError(t, err)
			back := recordOf(r)
			back.Offset, back.Partition = nil, p
			var out strings.Builder
			require.NoError(t, writeJSON(&out, back))
			require.Equal(t, line+"\n", out.String())
		})
	}
	for _, bad := range []string{"", "{", `{"key":1}`, `{"key_base64":"*"}`, `{"value_base64":"*"}`, `{"headers":[{"key":"a","value_base64":"*"}]}`} {
		_, _, err := parseRecord([]byte(bad))
		require.Error(t, err, bad)
	}
}
