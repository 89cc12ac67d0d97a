package broker_test

import (
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/thalweg/thalweg/broker"
	"github.com/thalweg/thalweg/broker/brokertest"
	"github.com/thalweg/thalweg/broker/log/vfs"
)

func startError(t *testing.T, cfg broker.Config) error {
	t.Helper()
	cfg.Logger = slog.New(slog.DiscardHandler)
	b, err := broker.Start(t.Context(), cfg)
	if err == nil {
		b.Kill()
	}
	require.Error(t, err)
	return err
}

func TestPortInUse(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	err = startError(t, broker.Config{Listeners: []broker.Listener{{Address: l.Addr().String()}}})
	require.ErrorIs(t, err, syscall.EADDRINUSE)
	require.ErrorContains(t, err, "choose another port")
}

func TestDataDirectoryInUse(t *testing.T) {
	dir := t.TempDir()
	first, err := broker.Start(t.Context(), broker.Config{DataDir: dir, Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	err = startError(t, broker.Config{DataDir: dir})
	require.ErrorIs(t, err, broker.ErrInUse)
	require.ErrorContains(t, err, "choose another DataDir")
	first.Kill()
	second, err := broker.Start(t.Context(), broker.Config{DataDir: dir, Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	second.Kill()
}

func TestDataDirectoryIsAFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(path, nil, 0o644))
	require.ErrorContains(t, startError(t, broker.Config{DataDir: path}), "a file is in the way")
}

func TestFullDiskAtStart(t *testing.T) {
	disk := vfs.NewFault()
	disk.Inject(func(vfs.Op) (int, error) { return 0, syscall.ENOSPC })
	require.ErrorContains(t, startError(t, broker.Config{FS: disk}), "the disk is full: free some space")
}

func TestDataDirectoryIsNotWritable(t *testing.T) {
	for _, errno := range []syscall.Errno{syscall.EROFS, syscall.EACCES, syscall.EPERM} {
		disk := vfs.NewFault()
		disk.Inject(func(vfs.Op) (int, error) { return 0, errno })
		require.ErrorContains(t, startError(t, broker.Config{FS: disk}), "it is not writable: change its owner or mode", "%v", errno)
	}
}

func TestValidateReportsEverything(t *testing.T) {
	cfg := broker.Config{
		NodeID:        -1,
		Flush:         "sometimes",
		Listeners:     []broker.Listener{{Address: "nowhere"}, {Address: "127.0.0.1:99999"}},
		TopicDefaults: map[string]string{"retention.ms": "long", "no.such": "1"},
		Limits:        broker.Limits{RequestMemory: 1},
	}
	err := cfg.Validate()
	for _, part := range []string{"NodeID", "Flush", "Listeners[0].Address", "Listeners[1].Address", "used twice", "retention.ms", "no.such", "RequestMemory"} {
		require.ErrorContains(t, err, part)
	}
	require.NoError(t, (&broker.Config{}).Validate())
}

// A wildcard listener tells each client the address that client has dialled.
func TestWildcardListenerAdvertisesWhatWasDialled(t *testing.T) {
	c := brokertest.Start(t, brokertest.With(func(c *broker.Config) { c.Listeners = []broker.Listener{{Address: "0.0.0.0:0"}} }))
	produce(t, newClient(t, c), "topic", 0, 10)
	requireOnce(t, consume(t, c, "topic", 10), 10)
}

func BenchmarkStartEmbedded(b *testing.B) {
	for name, dir := range map[string]string{"memory": "", "disk": b.TempDir()} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				c, err := broker.StartEmbedded(b.Context(), broker.Config{DataDir: dir, Logger: slog.New(slog.DiscardHandler)})
				if err != nil {
					b.Fatal(err)
				}
				if err := c.Close(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
