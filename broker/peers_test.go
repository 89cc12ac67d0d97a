package broker_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/thalweg/thalweg/broker"
	"github.com/thalweg/thalweg/broker/brokertest"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// badPeer sends something and then neither sends nor reads any more.
type badPeer struct {
	name string
	n    int
	sent func(topic string) []byte
}

// claim is the beginning of a Produce request that says how long it will be.
func claim(size int, sent int) []byte {
	b := binary.BigEndian.AppendUint32(nil, uint32(size))
	b = append(b, 0, 0, 0, 9, 0, 0, 0, 1)
	return append(b, make([]byte, sent)...)
}

func fetchRequest(topic string, partitions int, minBytes, maxBytes int32, wait time.Duration) []byte {
	r := kmsg.NewPtrFetchRequest()
	r.SetVersion(11)
	r.ReplicaID, r.SessionEpoch = -1, -1
	r.MaxWaitMillis, r.MinBytes, r.MaxBytes = int32(wait.Milliseconds()), minBytes, maxBytes
	t := kmsg.NewFetchRequestTopic()
	t.Topic = topic
	for i := range partitions {
		p := kmsg.NewFetchRequestTopicPartition()
		p.Partition, p.PartitionMaxBytes, p.CurrentLeaderEpoch = int32(i), maxBytes, -1
		t.Partitions = append(t.Partitions, p)
	}
	r.Topics = append(r.Topics, t)
	return kmsg.NewRequestFormatter(kmsg.FormatterClientID("bad")).AppendRequest(nil, r, 1)
}

var badPeers = []badPeer{
	{"silent", 300, func(string) []byte { return nil }},
	{"half a length", 100, func(string) []byte { return []byte{0, 0} }},
	{"claims 100 MiB", 100, func(string) []byte { return claim(100<<20, 0) }},
	{"claims 60 KiB", 600, func(string) []byte { return claim(60<<10, 100) }},
	{"sends a part of 100 MiB", 30, func(string) []byte { return claim(100<<20, 1<<20) }},
	{"sends a part of 5 MiB", 30, func(string) []byte { return claim(5<<20, 3<<20) }},
	{"does not read what it fetches", 30, func(topic string) []byte { return fetchRequest(topic, 8, 1, 50<<20, time.Second) }},
	{"waits for more than there is", 30, func(topic string) []byte { return fetchRequest(topic, 8, 50<<20, 50<<20, 5*time.Minute) }},
	{"asks and asks", 10, func(topic string) []byte {
		return bytes.Repeat(fetchRequest(topic, 8, 1, 50<<20, time.Second), 200)
	}},
	{"speaks HTTP", 50, func(string) []byte { return []byte("GET / HTTP/1.1\r\n\r\n") }},
	{"speaks TLS", 50, func(string) []byte { return []byte{0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00} }},
}

// A client is served while others hold whatever they can get hold of.
//
// It does not run beside others, since it looks at the memory of the process.
func TestGoodClientAmongBadPeers(t *testing.T) {
	const requests, fetches = 128 << 20, 16 << 20
	c := brokertest.Start(t, brokertest.With(func(c *broker.Config) {
		c.Limits.RequestMemory, c.Limits.FetchMemory, c.Limits.MaxConnections = requests, fetches, 5000
		c.Limits.StallTimeout = 200 * time.Millisecond
	}))
	createTopic(t, c, "large", 8, nil)
	good := newClient(t, c, kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerBatchMaxBytes(1<<20), kgo.ProducerBatchCompression(kgo.NoCompression()))
	for p := range int32(8) {
		for range 4 {
			require.NoError(t, good.ProduceSync(t.Context(), &kgo.Record{Topic: "large", Partition: p, Value: make([]byte, 900<<10)}).FirstErr())
		}
	}
	before := heap()
	var peers []net.Conn // they all stay to the end
	defer func() {
		for _, nc := range peers {
			_ = nc.Close()
		}
	}()
	for _, bad := range badPeers {
		t.Run(bad.name, func(t *testing.T) {
			for range bad.n {
				nc, err := net.Dial("tcp", c.Addrs()[0])
				require.NoError(t, err)
				peers = append(peers, nc)
				require.NoError(t, nc.(*net.TCPConn).SetReadBuffer(16<<10))
				require.NoError(t, nc.SetWriteDeadline(time.Now().Add(50*time.Millisecond)))
				if _, err := nc.Write(bad.sent("large")); err != nil && !errors.Is(err, context.DeadlineExceeded) {
					var refused net.Error
					require.ErrorAs(t, err, &refused) // the broker reads no more, or has closed
				}
			}
			serveAmong(t, c, good)
		})
	}
	// The broker keeps in memory what the good client writes: 3 × 700 KiB for each kind.
	used := heap() - before
	t.Logf("%d MiB more are in use", used>>20)
	require.Less(t, used, int64(requests+fetches+len(badPeers)*(4<<20)))
}

// heap is what is in use, without what is kept to be used again.
func heap() int64 {
	runtime.GC()
	runtime.GC() // twice empties pools
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// serveAmong does what clients do, small and large, on old and new connections.
func serveAmong(t *testing.T, c *brokertest.Cluster, good *kgo.Client) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for i := range 3 {
		require.NoError(t, good.ProduceSync(ctx, &kgo.Record{Topic: "large", Partition: 0, Value: []byte("small")}).FirstErr())
		require.NoError(t, good.ProduceSync(ctx, &kgo.Record{Topic: "large", Partition: 1, Value: make([]byte, 700<<10)}).FirstErr())
		nc, err := net.Dial("tcp", c.Addrs()[0])
		require.NoError(t, err)
		require.NoError(t, nc.SetDeadline(time.Now().Add(time.Minute)))
		_, err = nc.Write(fetchRequest("large", 8, 1, 1<<20, time.Second))
		require.NoError(t, err)
		n, err := readFrame(nc)
		require.NoError(t, err, "fetch %d", i)
		require.Greater(t, n, int64(100<<10))
		require.NoError(t, nc.Close())
	}
}

func readFrame(r io.Reader) (int64, error) {
	var size [4]byte
	if _, err := io.ReadFull(r, size[:]); err != nil {
		return 0, err
	}
	return io.CopyN(io.Discard, r, int64(binary.BigEndian.Uint32(size[:])))
}

// A peer that is slow and moves is not cut, however long its response takes.
//
// The kernel takes some MiB before the broker has to wait, and lets it go on when a
// third of that is gone, so the timeout is several times what that takes here.
func TestSlowReaderGetsItsResponse(t *testing.T) {
	t.Parallel()
	c := brokertest.Start(t, brokertest.With(func(c *broker.Config) { c.Limits.RequestTimeout = 3 * time.Second }))
	createTopic(t, c, "large", 8, nil)
	good := newClient(t, c, kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerBatchMaxBytes(1<<20), kgo.ProducerBatchCompression(kgo.NoCompression()))
	for p := range int32(8) {
		for range 4 {
			require.NoError(t, good.ProduceSync(t.Context(), &kgo.Record{Topic: "large", Partition: p, Value: make([]byte, 900<<10)}).FirstErr())
		}
	}
	nc, err := net.Dial("tcp", c.Addrs()[0])
	require.NoError(t, err)
	defer nc.Close()
	require.NoError(t, nc.(*net.TCPConn).SetReadBuffer(16<<10))
	_, err = nc.Write(fetchRequest("large", 8, 1, 50<<20, time.Second))
	require.NoError(t, err)
	var size [4]byte
	_, err = io.ReadFull(nc, size[:])
	require.NoError(t, err)
	began := time.Now()
	left := int64(binary.BigEndian.Uint32(size[:]))
	require.Greater(t, left, int64(8<<20))
	for left > 0 {
		n, err := io.CopyN(io.Discard, nc, min(left, 512<<10))
		require.NoError(t, err, fmt.Sprint(left, " bytes are missing after ", time.Since(began)))
		left -= n
		time.Sleep(250 * time.Millisecond) // a slow link: in all longer than the timeout
	}
}
