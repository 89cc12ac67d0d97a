package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

type produceCmd struct {
	Topic       string   `arg:"" help:"Topic to write to. It must exist."`
	File        string   `arg:"" optional:"" default:"-" help:"File to read; - is standard input."`
	Key         string   `short:"k" xor:"key" help:"Key of every record."`
	KeySep      string   `short:"K" name:"key-separator" xor:"key" help:"What parts key and value in a line, such as : or \\t. Lines without it have no key, and are counted."`
	Headers     []string `short:"H" name:"header" sep:"none" placeholder:"KEY=VALUE" help:"Header of every record. Repeat for more."`
	Partition   int32    `short:"p" default:"-1" help:"Partition; -1 chooses by key, as Kafka does."`
	RoundRobin  bool     `help:"Go around the partitions, whatever the key."`
	EmptyIsNull bool     `short:"Z" help:"An empty value is null: a tombstone."`
	JSON        bool     `name:"json" xor:"form" help:"Each line is a record as consume -o json prints it."`
	Format      string   `short:"f" xor:"form" placeholder:"LAYOUT" help:"Layout of the input, such as '%k\\t%v\\n': %k key, %v value, %h{%k=%v} headers; \\n, \\t."`
	Acks        string   `enum:"all,1,0" default:"all" help:"Who must have a record before it counts as written: all, 1, 0."`
	Compression string   `enum:"none,gzip,snappy,lz4,zstd" default:"none" help:"none, gzip, snappy, lz4 or zstd."`

	unkeyed int64 // lines without the separator
}

func (c *produceCmd) Run(e *env) error {
	if err := c.unescape(); err != nil {
		return err
	}
	next, done, err := c.open(e)
	if err != nil {
		return err
	}
	defer done()
	headers, err := parseHeaders(c.Headers)
	if err != nil {
		return &exitError{exitUsage, err}
	}
	cl, err := e.dial(c.options()...)
	if err != nil {
		return err
	}
	defer cl.Close()
	ctx, cancel := context.WithTimeout(e, e.cli.Timeout)
	t, err := topicOf(ctx, kadm.NewClient(cl), c.Topic)
	cancel()
	if err != nil {
		return err
	}
	if int(c.Partition) >= len(t.Partitions) {
		return &exitError{exitUsage, fmt.Errorf("topic %q has partitions 0 to %d, not %d", c.Topic, len(t.Partitions)-1, c.Partition)}
	}

	var failure atomic.Pointer[error]
	var written atomic.Int64
	patient, pending := newPatience(e, e.cli.Timeout)
	defer pending.stop()
	for failure.Load() == nil {
		r, partition, err := next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			failure.CompareAndSwap(nil, &err)
			break
		}
		if c.EmptyIsNull && len(r.Value) == 0 {
			r.Value = nil
		}
		r.Topic, r.Partition = c.Topic, c.Partition
		if partition != nil && c.Partition < 0 {
			r.Partition = *partition
		}
		r.Headers = append(r.Headers, headers...)
		pending.add()
		cl.Produce(patient, r, func(_ *kgo.Record, err error) {
			pending.done()
			if err != nil {
				if patient.Err() != nil {
					err = context.Cause(patient)
				}
				failure.CompareAndSwap(nil, &err)
				return
			}
			written.Add(1)
		})
	}
	if err := cl.Flush(e); err != nil {
		return err
	}
	if e.Err() != nil {
		return e.Err()
	}
	if err := failure.Load(); err != nil {
		return fmt.Errorf("%d records were written, then: %w", written.Load(), explain("topic", c.Topic, *err))
	}
	n := written.Load()
	if c.unkeyed > 0 {
		fmt.Fprintf(e.err, "thalweg: %d of %d lines had no %q and were written without a key\n", c.unkeyed, n, c.KeySep)
	}
	return e.print(map[string]int64{"records": n}, func(w io.Writer) { fmt.Fprintf(w, "%d records to %s\n", n, c.Topic) })
}

// unescape takes \t and the like in the separator for what they mean: shells pass
// them on as they are typed.
func (c *produceCmd) unescape() error {
	if !strings.Contains(c.KeySep, `\`) {
		return nil
	}
	sep, err := strconv.Unquote(`"` + strings.ReplaceAll(c.KeySep, `"`, `\"`) + `"`)
	if err != nil {
		return &exitError{exitUsage, fmt.Errorf("--key-separator %q: want text, or an escape such as \\t", c.KeySep)}
	}
	c.KeySep = sep
	return nil
}

func (c *produceCmd) options() []kgo.Opt {
	codecs := map[string]kgo.CompressionCodec{
		"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(),
		"lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression(),
	}
	opts := []kgo.Opt{
		kgo.ProducerBatchCompression(codecs[c.Compression]),
		// A record that is given up is not written again, so that it is under way does no harm.
		kgo.AllowIdempotentProduceCancellation(),
	}
	switch c.Acks {
	case "1":
		opts = append(opts, kgo.RequiredAcks(kgo.LeaderAck()), kgo.DisableIdempotentWrite())
	case "0":
		opts = append(opts, kgo.RequiredAcks(kgo.NoAck()), kgo.DisableIdempotentWrite())
	}
	byKey := kgo.StickyKeyPartitioner(nil)
	if c.RoundRobin {
		byKey = kgo.RoundRobinPartitioner()
	}
	return append(opts, kgo.RecordPartitioner(chosen{byKey}))
}

// chosen takes the partition a record names, and asks another partitioner where it names none.
type chosen struct{ kgo.Partitioner }

func (p chosen) ForTopic(topic string) kgo.TopicPartitioner {
	return chosenTopic{p.Partitioner.ForTopic(topic)}
}

type chosenTopic struct{ kgo.TopicPartitioner }

func (p chosenTopic) RequiresConsistency(r *kgo.Record) bool {
	return r.Partition >= 0 || p.TopicPartitioner.RequiresConsistency(r)
}

func (p chosenTopic) Partition(r *kgo.Record, n int) int {
	if r.Partition >= 0 {
		return int(r.Partition)
	}
	return p.TopicPartitioner.Partition(r, n)
}

// OnNewBatch passes the sign on which sticky partitioners move to another partition.
func (p chosenTopic) OnNewBatch() {
	if s, ok := p.TopicPartitioner.(kgo.TopicPartitionerOnNewBatch); ok {
		s.OnNewBatch()
	}
}

// open gives a function that reads the next record, and one that closes the input.
func (c *produceCmd) open(e *env) (next func() (*kgo.Record, *int32, error), done func(), err error) {
	in, done := e.in, func() {}
	if c.File != "-" {
		f, err := os.Open(c.File)
		if err != nil {
			return nil, nil, err
		}
		in, done = f, func() { f.Close() }
	}
	if c.Format != "" {
		reader, err := kgo.NewRecordReader(in, c.Format)
		if err != nil {
			return nil, nil, &exitError{exitUsage, fmt.Errorf("layout %q: %w", c.Format, err)}
		}
		return func() (*kgo.Record, *int32, error) {
			r, err := reader.ReadRecord()
			return r, nil, err
		}, done, nil
	}
	buf, number := bufio.NewReaderSize(in, 64<<10), 0
	return func() (*kgo.Record, *int32, error) {
		line, err := buf.ReadBytes('\n')
		if len(line) == 0 {
			return nil, nil, cmp.Or(err, io.EOF)
		}
		number++
		line = bytes.TrimSuffix(line, []byte("\n"))
		if c.JSON {
			r, p, err := parseRecord(line)
			if err != nil {
				return nil, nil, fmt.Errorf("line %d: %w", number, err)
			}
			return r, p, nil
		}
		return c.parseLine(line), nil, nil
	}, done, nil
}

func (c *produceCmd) parseLine(line []byte) *kgo.Record {
	r := &kgo.Record{Value: line}
	if c.Key != "" {
		r.Key = []byte(c.Key)
	}
	if c.KeySep != "" {
		k, v, ok := bytes.Cut(line, []byte(c.KeySep))
		if ok {
			r.Key, r.Value = k, v
		} else {
			c.unkeyed++
		}
	}
	return r
}

func parseHeaders(pairs []string) ([]kgo.RecordHeader, error) {
	var out []kgo.RecordHeader
	for _, p := range pairs {
		k, v, ok := strings.Cut(p, "=")
		if !ok {
			return nil, fmt.Errorf("header %q: want KEY=VALUE", p)
		}
		out = append(out, kgo.RecordHeader{Key: k, Value: []byte(v)})
	}
	return out, nil
}
