package broker_test

import (
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/thalweg/thalweg/broker"
	"github.com/thalweg/thalweg/broker/api"
	"github.com/thalweg/thalweg/broker/brokertest"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// wire is a bare connection to a broker.
type wire struct {
	t *testing.T
	net.Conn
}

func dial(t *testing.T, c *brokertest.Cluster) wire {
	t.Helper()
	nc, err := net.Dial("tcp", c.Addrs()[0])
	require.NoError(t, err)
	t.Cleanup(func() { _ = nc.Close() })
	require.NoError(t, nc.SetDeadline(time.Now().Add(30*time.Second)))
	return wire{t, nc}
}

func (w wire) send(req kmsg.Request, version int16, correlation int32) {
	w.t.Helper()
	req.SetVersion(version)
	_, err := w.Write(kmsg.NewRequestFormatter(kmsg.FormatterClientID("wire")).AppendRequest(nil, req, correlation))
	require.NoError(w.t, err)
}

// receive reads a response and returns its correlation id and the rest.
func (w wire) receive() (int32, []byte) {
	w.t.Helper()
	var size [4]byte
	_, err := io.ReadFull(w, size[:])
	require.NoError(w.t, err)
	frame := make([]byte, binary.BigEndian.Uint32(size[:]))
	_, err = io.ReadFull(w, frame)
	require.NoError(w.t, err)
	return int32(binary.BigEndian.Uint32(frame)), frame[4:]
}

func (w wire) requireClosed() {
	w.t.Helper()
	_, err := io.Copy(io.Discard, w)
	var timeout net.Error
	if errors.As(err, &timeout) {
		require.False(w.t, timeout.Timeout(), "the broker should have closed the connection")
	}
}

func frame(payload ...byte) []byte {
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(payload))), payload...)
}

func TestMalformedFramesCloseTheConnection(t *testing.T) {
	c := brokertest.Start(t)
	for name, bytes := range map[string][]byte{
		"negative size":      {0xff, 0xff, 0xff, 0xff},
		"no room for header": frame(0, 3, 0, 9),
		"unknown key":        frame(0, 99, 0, 0, 0, 0, 0, 1, 0, 0),
		"negative key":       frame(0xff, 0xff, 0, 0, 0, 0, 0, 1, 0, 0),
		"unknown version":    frame(0, 3, 0, 99, 0, 0, 0, 1, 0, 0),
		"too large for key":  {0x05, 0, 0, 0, 0, 3, 0, 9, 0, 0, 0, 1},
		"cut off header":     frame(0, 3, 0, 9, 0, 0, 0, 1, 0, 50, 'x'),
		"four billion tags":  frame(0, 3, 0, 12, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0x0f),
		"garbage produce":    frame(0, 0, 0, 9, 0, 0, 0, 1, 0, 0, 0, 0xff, 0xff, 0xff, 0xff),
		"garbage fetch":      frame(0, 1, 0, 12, 0, 0, 0, 1, 0, 0, 0, 0xff, 0xff, 0xff, 0xff),
		"tls hello":          {0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xfc, 0x03, 0x03},
	} {
		t.Run(name, func(t *testing.T) {
			w := dial(t, c)
			_, err := w.Write(bytes)
			require.NoError(t, err)
			w.requireClosed()
		})
	}
	produce(t, newClient(t, c), "alive", 0, 1)
}

func TestApiVersionsFallsBack(t *testing.T) {
	w := dial(t, brokertest.Start(t))
	_, err := w.Write(frame(0, 18, 0, 99, 0, 0, 0, 7, 0, 0, 1, 2, 3))
	require.NoError(t, err)
	id, body := w.receive()
	require.EqualValues(t, 7, id)
	resp := kmsg.NewPtrApiVersionsResponse()
	require.NoError(t, resp.ReadFrom(body))
	require.Equal(t, kerr.UnsupportedVersion.Code, resp.ErrorCode)
	require.Equal(t, []kmsg.ApiVersionsResponseApiKey{{ApiKey: 18, MinVersion: 0, MaxVersion: 5}}, resp.ApiKeys)

	// The connection lives on.
	w.send(kmsg.NewPtrApiVersionsRequest(), 0, 8)
	id, _ = w.receive()
	require.EqualValues(t, 8, id)
}

// A client says from version 5 on whom it means to reach.
func TestApiVersionsOfMisroutedClients(t *testing.T) {
	c := brokertest.Start(t, brokertest.With(func(c *broker.Config) { c.NodeID = 3 }))
	w := dial(t, c)
	ours, other := c.Broker().ClusterID(), "another-cluster"
	for i, tt := range []struct {
		cluster *string
		node    int32
		want    error
	}{
		{nil, -1, nil},
		{&ours, 3, nil},
		{&ours, 4, kerr.RebootstrapRequired},
		{&other, 3, kerr.RebootstrapRequired},
		{&ours, -1, kerr.InvalidRequest},
		{nil, 3, kerr.InvalidRequest},
	} {
		req := kmsg.NewPtrApiVersionsRequest()
		req.ClientSoftwareName, req.ClientSoftwareVersion = "test", "1"
		req.ClusterID, req.NodeID = tt.cluster, tt.node
		w.send(req, 5, int32(i))
		id, body := w.receive()
		require.EqualValues(t, i, id)
		resp := req.ResponseKind().(*kmsg.ApiVersionsResponse)
		require.NoError(t, resp.ReadFrom(body))
		require.Equal(t, tt.want, kerr.ErrorForCode(resp.ErrorCode), "%d", i)
		require.Equal(t, tt.want == nil, len(resp.ApiKeys) > 0)
	}
}

// Responses come in the order of the requests, also behind a parked fetch.
func TestPipelinedResponsesKeepTheirOrder(t *testing.T) {
	c := brokertest.Start(t)
	createTopic(t, c, "quiet", 1, nil)
	w := dial(t, c)
	fetch := kmsg.NewPtrFetchRequest()
	fetch.MaxWaitMillis, fetch.MinBytes, fetch.MaxBytes = 200, 1, 1<<20
	topic := kmsg.NewFetchRequestTopic()
	topic.Topic = "quiet"
	part := kmsg.NewFetchRequestTopicPartition()
	part.PartitionMaxBytes = 1 << 20
	topic.Partitions = append(topic.Partitions, part)
	fetch.Topics = append(fetch.Topics, topic)
	w.send(fetch, 11, 0)
	for i := int32(1); i < 50; i++ {
		w.send(kmsg.NewPtrMetadataRequest(), 1, i)
	}
	for i := range int32(50) {
		id, _ := w.receive()
		require.Equal(t, i, id)
	}
}

func TestFailedProduceWithoutAckClosesTheConnection(t *testing.T) {
	w := dial(t, brokertest.Start(t))
	req := kmsg.NewPtrProduceRequest()
	topic := kmsg.NewProduceRequestTopic()
	topic.Topic = "missing"
	topic.Partitions = append(topic.Partitions, kmsg.NewProduceRequestTopicPartition())
	req.Topics = append(req.Topics, topic)
	w.send(req, 9, 1)
	w.requireClosed()
}

func TestIdleConnectionsAreClosed(t *testing.T) {
	c := brokertest.Start(t, brokertest.With(func(c *broker.Config) { c.Limits.IdleTimeout = time.Second }))
	dial(t, c).requireClosed()
}

func TestTooManyConnectionsAreRefused(t *testing.T) {
	c := brokertest.Start(t, brokertest.With(func(c *broker.Config) { c.Limits.MaxConnections = 2 }))
	for i := range int32(2) {
		w := dial(t, c)
		w.send(kmsg.NewPtrApiVersionsRequest(), 0, i)
		w.receive()
	}
	dial(t, c).requireClosed()
}

// fetcher runs a fetch session over a bare connection.
type fetcher struct {
	wire
	id, epoch int32
	calls     int32
}

func (f *fetcher) fetch(offsets map[int32]int64) *kmsg.FetchResponse {
	req := kmsg.NewPtrFetchRequest()
	req.SessionID, req.SessionEpoch, req.MinBytes, req.MaxBytes = f.id, f.epoch, 0, 1<<20
	topic := kmsg.NewFetchRequestTopic()
	topic.Topic = "topic"
	for p, offset := range offsets {
		part := kmsg.NewFetchRequestTopicPartition()
		part.Partition, part.FetchOffset, part.PartitionMaxBytes = p, offset, 1<<20
		topic.Partitions = append(topic.Partitions, part)
	}
	if len(topic.Partitions) > 0 {
		req.Topics = append(req.Topics, topic)
	}
	f.calls++
	f.send(req, 11, f.calls)
	_, body := f.receive()
	resp := kmsg.NewPtrFetchResponse()
	resp.SetVersion(11)
	require.NoError(f.t, resp.ReadFrom(body))
	if resp.ErrorCode == 0 {
		f.id = resp.SessionID
		f.epoch++
	}
	return resp
}

func partitions(resp *kmsg.FetchResponse) int {
	n := 0
	for _, t := range resp.Topics {
		n += len(t.Partitions)
	}
	return n
}

func TestFetchSession(t *testing.T) {
	c := brokertest.Start(t)
	createTopic(t, c, "topic", 3, nil)
	f := &fetcher{wire: dial(t, c)}
	all := map[int32]int64{0: 0, 1: 0, 2: 0}
	require.Equal(t, 3, partitions(f.fetch(all)), "a full fetch is answered in full")
	require.NotZero(t, f.id)
	require.Zero(t, partitions(f.fetch(nil)), "no news")
	produce(t, newClient(t, c), "topic", 0, 1)
	resp := f.fetch(nil)
	require.Equal(t, 1, partitions(resp))
	require.NotEmpty(t, resp.Topics[0].Partitions[0].RecordBatches)
	p := resp.Topics[0].Partitions[0].Partition
	require.Zero(t, partitions(f.fetch(map[int32]int64{p: 1})), "caught up")

	wrong := *f
	wrong.epoch += 5
	require.Equal(t, kerr.InvalidFetchSessionEpoch.Code, wrong.fetch(nil).ErrorCode)
	wrong.id++
	require.Equal(t, kerr.FetchSessionIDNotFound.Code, wrong.fetch(nil).ErrorCode)

	// Errors are repeated until the client reacts.
	require.Equal(t, 1, partitions(f.fetch(map[int32]int64{p: 99})))
	resp = f.fetch(nil)
	require.Equal(t, 1, partitions(resp))
	require.Equal(t, kerr.OffsetOutOfRange.Code, resp.Topics[0].Partitions[0].ErrorCode)
}

// However little a client takes, a partition with data is not starved by the
// empty ones before it.
func TestSmallestFetchStillGetsABatch(t *testing.T) {
	c := brokertest.Start(t)
	createTopic(t, c, "topic", 3, nil)
	cl := newClient(t, c, kgo.RecordPartitioner(kgo.ManualPartitioner()))
	for partition := range int32(3) {
		if partition > 0 {
			r := &kgo.Record{Topic: "topic", Partition: partition, Value: []byte("value")}
			require.NoError(t, cl.ProduceSync(timeout(t), r).FirstErr())
		}
	}
	w := dial(t, c)
	req := kmsg.NewPtrFetchRequest()
	req.MinBytes, req.MaxBytes, req.SessionEpoch = 1, 0, -1
	topic := kmsg.NewFetchRequestTopic()
	topic.Topic = "topic"
	for p := range int32(3) {
		part := kmsg.NewFetchRequestTopicPartition()
		part.Partition = p
		topic.Partitions = append(topic.Partitions, part)
	}
	req.Topics = append(req.Topics, topic)
	w.send(req, 11, 1)
	_, body := w.receive()
	resp := kmsg.NewPtrFetchResponse()
	resp.SetVersion(11)
	require.NoError(t, resp.ReadFrom(body))
	var sizes []bool
	for _, p := range resp.Topics[0].Partitions {
		sizes = append(sizes, len(p.RecordBatches) > 0)
	}
	require.Equal(t, []bool{false, true, false}, sizes)
}

// Garbage from many clients at once neither stops the broker nor leaves
// anything behind; goleak looks for goroutines when all tests are done.
func TestGarbageFlood(t *testing.T) {
	c := brokertest.Start(t)
	var clients sync.WaitGroup
	for seed := range uint64(100) {
		clients.Go(func() {
			r := rand.New(rand.NewPCG(seed, 0))
			nc, err := net.Dial("tcp", c.Addrs()[0])
			if err != nil {
				t.Error(err)
				return
			}
			defer nc.Close()
			for range 20 {
				body := make([]byte, 8+r.IntN(200))
				for i := range body {
					body[i] = byte(r.Uint32() >> (r.IntN(4) * 8))
				}
				spec := api.Specs()[r.IntN(len(api.Specs()))]
				binary.BigEndian.PutUint16(body, uint16(spec.Key))
				binary.BigEndian.PutUint16(body[2:], uint16(spec.First+int16(r.IntN(int(spec.Max-spec.First)+1))))
				if _, err := nc.Write(frame(body...)); err != nil {
					return // closed, as it should be
				}
			}
		})
	}
	clients.Wait()
	produce(t, newClient(t, c), "alive", 0, 10)
	requireOnce(t, consume(t, c, "alive", 10), 10)
}
