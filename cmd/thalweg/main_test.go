package main

import (
	"context"
	"encoding/json/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
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

// resolved stands for go mod tidy in a new project: it takes over the requirements of this module, so that the test does
// without a network.
func resolved(ts *testscript.TestScript, _ bool, _ []string) {
	root := checkout()
	for _, name := range []string{"go.mod", "go.sum"} {
		text, err := os.ReadFile(filepath.Join(root, name))
		ts.Check(err)
		if name == "go.mod" {
			_, requirements, _ := strings.Cut(string(text), "\nrequire (")
			requirements, _, _ = strings.Cut(requirements, "\ntool (")
			text = []byte(ts.ReadFile("go.mod") + "\nrequire (" + requirements)
		}
		ts.Check(os.WriteFile(ts.MkAbs(name), text, 0o644))
	}
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
