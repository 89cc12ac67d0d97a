package runtime

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thalweg/thalweg/state/mem"
)

func TestValidateListsAllMistakes(t *testing.T) {
	_, err := New(wordCount(t), Config{Workers: -1, HeartbeatInterval: time.Minute, CommitInterval: time.Hour, Compression: 9})
	for _, want := range []string{"ApplicationID", "Brokers", "Workers", "HeartbeatInterval", "TransactionTimeout", "Compression 9", "mem.New()", "rocks.Dir", "pebble.Dir"} {
		require.ErrorContains(t, err, want)
	}
	_, err = New(nil, Config{ApplicationID: "a b", Brokers: []string{"x:1"}})
	require.ErrorContains(t, err, "topology is nil")
	require.ErrorContains(t, err, "a b")
	_, err = New(upper(t), Config{ApplicationID: "app", Brokers: []string{"x:1"}})
	require.NoError(t, err)
}

func TestDefaults(t *testing.T) {
	c := Config{}.withDefaults()
	require.Equal(t, ExactlyOnce, c.Guarantee)
	require.Equal(t, 100*time.Millisecond, c.CommitInterval)
	require.Equal(t, 10*time.Second, c.SessionTimeout)
	require.Equal(t, 3*time.Second, c.HeartbeatInterval)
	require.Equal(t, 10*time.Second, c.TransactionTimeout)
	require.Equal(t, 30*time.Second, Config{Guarantee: AtLeastOnce}.withDefaults().CommitInterval)
	require.NoError(t, Config{ApplicationID: "a", Brokers: []string{"b"}, State: mem.New()}.Validate(wordCount(t)))
}

func TestMissingTopics(t *testing.T) {
	r := newRig(t, nil)
	err := Run(t.Context(), upper(t), r.config("app"))
	var missing *MissingTopicsError
	require.ErrorAs(t, err, &missing)
	require.Equal(t, []string{"lines"}, missing.Topics)
}

func TestWrongPartitionCount(t *testing.T) {
	r := newRig(t, map[string]int32{"lines": 2, "counts": 1, "app-counts-changelog": 7})
	err := Run(t.Context(), wordCount(t), r.config("app"))
	require.ErrorContains(t, err, "app-counts-changelog has 7 partitions and needs 2")
}

func TestBrokerUnreachable(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	addr := l.Addr().String()
	require.NoError(t, l.Close())
	a, err := New(upper(t), Config{ApplicationID: "app", Brokers: []string{addr}})
	require.NoError(t, err)
	a.patience = 200 * time.Millisecond
	require.ErrorContains(t, a.Run(t.Context()), "no broker answers at "+addr)
	require.ErrorContains(t, a.Run(t.Context()), "twice")
}

func TestStopWhileConnecting(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.NoError(t, Run(ctx, upper(t), Config{ApplicationID: "app", Brokers: []string{"127.0.0.1:1"}}))
}
