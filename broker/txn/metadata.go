package txn

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"github.com/thalweg/thalweg/broker/coord"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// State is where a transactional id is.
//
//	       add                 EndTxn(commit)             all markers written
//	Empty ─────▶ Ongoing ───────────────▶ PrepareCommit ──────▶ CompleteCommit
//	  ▲            │  EndTxn(abort), timeout,                        │
//	  │            └─ fencing ──────────▶ PrepareAbort ──────▶ CompleteAbort
//	  └──────────── InitProducerId ──────────────────────────────────┤
//	               Ongoing ◀─────────────── add ─────────────────────┘
//
// An EndTxn(abort) without a transaction goes through PrepareAbort too, for
// the epoch bump (KIP-890).
type State int8

// The values are those of the records in __transaction_state.
const (
	Empty State = iota
	Ongoing
	PrepareCommit
	PrepareAbort
	CompleteCommit
	CompleteAbort
	Dead
	PrepareEpochFence
)

// String is the name tools show.
func (st State) String() string {
	names := [...]string{
		"Empty", "Ongoing", "PrepareCommit", "PrepareAbort", "CompleteCommit", "CompleteAbort", "Dead",
		"PrepareEpochFence",
	}
	if st < 0 || int(st) >= len(names) {
		return fmt.Sprintf("Unknown(%d)", int8(st))
	}
	return names[st]
}

func (st State) preparing() bool { return st == PrepareCommit || st == PrepareAbort }

func (st State) idle() bool { return st == Empty || st == CompleteCommit || st == CompleteAbort }

const (
	noProducerID    int64 = -1
	noProducerEpoch int16 = -1
)

// metadata is the durable state of a transactional id: one record. It is a
// value; partitions is never changed in place.
type metadata struct {
	producerID int64
	epoch      int16
	// previousID is the id before the last rotation: a client whose answer
	// got lost still comes with it. nextID is the id after the transaction
	// that is being completed.
	previousID, nextID int64
	timeout            time.Duration
	state              State
	version            int16                  // 2: the client lets produce requests add partitions
	partitions         []coord.TopicPartition // sorted
	updated, started   int64                  // ms since the epoch; started −1: no transaction
}

// identity is the producer id and epoch the client works with: in the middle
// of a rotation it knows the next id already.
func (x *metadata) identity() (int64, int16) {
	if x.state.preparing() && x.nextID != noProducerID {
		return x.nextID, 0
	}
	return x.producerID, x.epoch
}

func (x *metadata) contains(tps []coord.TopicPartition) bool {
	for _, tp := range tps {
		if _, ok := slices.BinarySearchFunc(x.partitions, tp, comparePartitions); !ok {
			return false
		}
	}
	return true
}

func (x *metadata) with(tps []coord.TopicPartition) []coord.TopicPartition {
	all := slices.Concat(x.partitions, tps)
	slices.SortFunc(all, comparePartitions)
	return slices.Compact(all)
}

func comparePartitions(a, b coord.TopicPartition) int {
	return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition))
}

// record encodes a transactional id's state as Kafka writes it: key version 0,
// value version 1. A nil x is a tombstone.
func record(id string, x *metadata) coord.Record {
	k := kmsg.TxnMetadataKey{Version: 0, TransactionalID: id}
	r := coord.Record{Key: k.AppendTo(nil)}
	if x == nil {
		return r
	}
	v := kmsg.NewTxnMetadataValue()
	v.Version = 1
	v.ProducerID, v.ProducerEpoch = x.producerID, x.epoch
	v.PreviousProducerID, v.NextProducerID = x.previousID, x.nextID
	v.TimeoutMillis, v.State = int32(x.timeout.Milliseconds()), kmsg.TransactionState(x.state)
	v.ClientTransactionVersion = x.version
	v.LastUpdateTimestamp, v.StartTimestamp = x.updated, x.started
	if x.state != Empty {
		v.Topics = []kmsg.TxnMetadataValueTopic{}
	}
	for _, tp := range x.partitions {
		if n := len(v.Topics); n == 0 || v.Topics[n-1].Topic != tp.Topic {
			v.Topics = append(v.Topics, kmsg.TxnMetadataValueTopic{Topic: tp.Topic})
		}
		t := &v.Topics[len(v.Topics)-1]
		t.Partitions = append(t.Partitions, tp.Partition)
	}
	r.Value = v.AppendTo(nil)
	return r
}

// parse decodes a record. ok is false for keys of unknown versions, which are
// skipped; x is nil for a tombstone.
func parse(r coord.Record) (id string, x *metadata, ok bool, err error) {
	if len(r.Key) < 2 {
		return "", nil, false, fmt.Errorf("txn: record key has %d bytes, want a version", len(r.Key))
	}
	if binary.BigEndian.Uint16(r.Key) != 0 {
		return "", nil, false, nil
	}
	var k kmsg.TxnMetadataKey
	if err := k.ReadFrom(r.Key); err != nil {
		return "", nil, false, fmt.Errorf("txn: record key: %w", err)
	}
	if r.Value == nil {
		return k.TransactionalID, nil, true, nil
	}
	v := kmsg.NewTxnMetadataValue()
	if err := v.ReadFrom(r.Value); err != nil {
		return "", nil, false, fmt.Errorf("txn: state of %q: %w", k.TransactionalID, err)
	}
	x = &metadata{
		producerID: v.ProducerID, epoch: v.ProducerEpoch,
		previousID: v.PreviousProducerID, nextID: v.NextProducerID,
		timeout: time.Duration(v.TimeoutMillis) * time.Millisecond,
		state:   State(v.State), version: v.ClientTransactionVersion,
		updated: v.LastUpdateTimestamp, started: v.StartTimestamp,
	}
	if x.state < Empty || x.state > Dead {
		return "", nil, false, fmt.Errorf("txn: state of %q is %d", k.TransactionalID, v.State)
	}
	if x.state == Dead {
		return k.TransactionalID, nil, true, nil
	}
	for _, t := range v.Topics {
		for _, p := range t.Partitions {
			x.partitions = append(x.partitions, coord.TopicPartition{Topic: t.Topic, Partition: p})
		}
	}
	slices.SortFunc(x.partitions, comparePartitions)
	x.partitions = slices.Compact(x.partitions)
	return k.TransactionalID, x, true, nil
}
