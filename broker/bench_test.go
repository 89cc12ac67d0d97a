package broker_test

import (
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"net"
	"testing"
	"time"

	"github.com/thalweg/thalweg/broker"
	"github.com/thalweg/thalweg/internal/batch"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func benchBroker(b *testing.B, flush broker.Flush) (*broker.Cluster, net.Conn) {
	b.Helper()
	c, err := broker.StartEmbedded(b.Context(), broker.Config{DataDir: b.TempDir(), Flush: flush, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = c.Close() })
	cl, err := kgo.NewClient(kgo.SeedBrokers(c.Addrs()...))
	if err != nil {
		b.Fatal(err)
	}
	defer cl.Close()
	if _, err := kadm.NewClient(cl).CreateTopic(b.Context(), 1, 1, nil, "bench"); err != nil {
		b.Fatal(err)
	}
	nc, err := net.Dial("tcp", c.Addrs()[0])
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = nc.Close() })
	return c, nc
}

// produceFrame is a Produce request with one batch of 100-byte records.
func produceFrame(b *testing.B, size int) []byte {
	b.Helper()
	var bb batch.Builder
	bb.Reset(batch.Plain())
	value := make([]byte, 100)
	for bb.Len() < size {
		bb.Append(nil, value, time.Now().UnixMilli())
	}
	v, err := bb.Finish(batch.None)
	if err != nil {
		b.Fatal(err)
	}
	req := kmsg.NewPtrProduceRequest()
	req.Acks, req.TimeoutMillis = -1, 1000
	t := kmsg.NewProduceRequestTopic()
	t.Topic = "bench"
	p := kmsg.NewProduceRequestTopicPartition()
	p.Records = v
	t.Partitions = append(t.Partitions, p)
	req.Topics = append(req.Topics, t)
	req.SetVersion(9)
	return kmsg.NewRequestFormatter(kmsg.FormatterClientID("bench")).AppendRequest(nil, req, 1)
}

// readFrames reads n responses into buf, over and over.
func readFrames(nc net.Conn, buf []byte, n int) error {
	for range n {
		if _, err := io.ReadFull(nc, buf[:4]); err != nil {
			return err
		}
		size := binary.BigEndian.Uint32(buf)
		if _, err := io.ReadFull(nc, buf[:size]); err != nil {
			return err
		}
	}
	return nil
}

// The client side of these benchmarks allocates nothing per operation.
func BenchmarkProduce(b *testing.B) {
	const depth = 5 // requests in flight
	for _, flush := range []broker.Flush{broker.FlushOS, broker.FlushAlways} {
		for _, size := range []int{1 << 10, 64 << 10, 1 << 20} {
			b.Run(fmt.Sprintf("flush=%s/batch=%dKiB", flush, size>>10), func(b *testing.B) {
				_, nc := benchBroker(b, flush)
				frame := produceFrame(b, size-200)
				buf := make([]byte, 4096)
				b.SetBytes(int64(len(frame)))
				b.ReportAllocs()
				inFlight := 0
				for b.Loop() {
					if _, err := nc.Write(frame); err != nil {
						b.Fatal(err)
					}
					if inFlight++; inFlight == depth {
						if err := readFrames(nc, buf, 1); err != nil {
							b.Fatal(err)
						}
						inFlight--
					}
				}
				if err := readFrames(nc, buf, inFlight); err != nil {
					b.Fatal(err)
				}
			})
		}
	}
}

func BenchmarkFetch(b *testing.B) {
	for _, size := range []int{1 << 10, 64 << 10, 1 << 20} {
		b.Run(fmt.Sprintf("answer=%dKiB", size>>10), func(b *testing.B) {
			_, nc := benchBroker(b, broker.FlushOS)
			frame := produceFrame(b, size-200)
			buf := make([]byte, 4<<20)
			for range 8 {
				if _, err := nc.Write(frame); err != nil {
					b.Fatal(err)
				}
				if err := readFrames(nc, buf, 1); err != nil {
					b.Fatal(err)
				}
			}
			req := kmsg.NewPtrFetchRequest()
			req.MaxWaitMillis, req.MinBytes, req.MaxBytes, req.SessionEpoch = 100, 1, 50<<20, -1
			t := kmsg.NewFetchRequestTopic()
			t.Topic = "bench"
			p := kmsg.NewFetchRequestTopicPartition()
			p.PartitionMaxBytes = int32(size)
			t.Partitions = append(t.Partitions, p)
			req.Topics = append(req.Topics, t)
			req.SetVersion(12)
			fetch := kmsg.NewRequestFormatter(kmsg.FormatterClientID("bench")).AppendRequest(nil, req, 1)
			b.SetBytes(int64(len(frame)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := nc.Write(fetch); err != nil {
					b.Fatal(err)
				}
				if err := readFrames(nc, buf, 1); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
