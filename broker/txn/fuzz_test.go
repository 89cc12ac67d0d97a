package txn

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/thalweg/thalweg/broker/coord"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// counting hands out ids from 1.
type counting int64

func (c *counting) TryNext() (int64, bool) { *c++; return int64(*c), true }

func fuzzMachine() *Machine {
	return NewMachine(Config{}, new(counting), 0, func(*Job) {})
}

// FuzzReplay feeds the machine a record of any content: it must refuse or skip
// what it cannot read, and what it reads it must write the same way.
func FuzzReplay(f *testing.F) {
	x := &metadata{
		producerID: 7, epoch: 3, previousID: 5, nextID: 9, timeout: time.Second, state: PrepareCommit, version: 2,
		partitions: []coord.TopicPartition{tp("a", 0), tp("a", 2), tp("b", 1)}, updated: 4, started: 2,
	}
	r := record("x", x)
	f.Add(r.Key, r.Value)
	f.Add(r.Key, []byte(nil))
	f.Add([]byte{0, 1}, []byte("future"))
	f.Fuzz(func(t *testing.T, key, value []byte) {
		id, x, ok, err := parse(coord.Record{Key: key, Value: value})
		if err == nil && ok && x != nil {
			r := record(id, x)
			again, y, ok, err := parse(r)
			require.NoError(t, err)
			require.True(t, ok)
			require.Equal(t, id, again)
			require.Equal(t, x, y)
		}
		m := fuzzMachine()
		st := &coord.Step{Now: time.UnixMilli(1_700_000_000_000)}
		if m.Replay(coord.Record{Key: key, Value: value}) != nil {
			return
		}
		m.Loaded(st)
		for id := range m.txns {
			m.describe(id)
		}
		m.list(st.Now, filter{longer: 0})
		for range 20 {
			at, ok := m.Next()
			if !ok {
				break
			}
			if at.After(st.Now) {
				st.Now = at
			}
			m.Tick(st)
		}
	})
}

// FuzzRequests runs requests of any content on a machine with transactions in
// several states.
func FuzzRequests(f *testing.F) {
	for _, key := range []int16{22, 24, 25, 26, 27, 61, 65, 66} {
		f.Add(uint8(key), uint8(5), []byte{})
	}
	end := kmsg.NewPtrEndTxnRequest()
	end.Version, end.TransactionalID, end.ProducerID = 5, "x", 1
	f.Add(uint8(26), uint8(5), end.AppendTo(nil))
	init := kmsg.NewPtrInitProducerIDRequest()
	init.Version, init.TransactionalID, init.TransactionTimeoutMillis = 5, kmsg.StringPtr("x"), 1000
	f.Add(uint8(22), uint8(5), init.AppendTo(nil))
	f.Fuzz(func(t *testing.T, key, version uint8, body []byte) {
		req := kmsg.RequestForKey(int16(key))
		if req == nil {
			return
		}
		req.SetVersion(int16(version) % (req.MaxVersion() + 1))
		if err := req.ReadFrom(body); err != nil {
			return
		}
		m := fuzzMachine()
		st := &coord.Step{Now: time.UnixMilli(1_700_000_000_000)}
		for i, state := range []State{Empty, Ongoing, PrepareCommit, CompleteAbort} {
			x := metadata{producerID: int64(i), previousID: -1, nextID: -1, timeout: time.Second, state: state, started: -1}
			if state == Ongoing || state == PrepareCommit {
				x.partitions = []coord.TopicPartition{tp("a", 0)}
			}
			m.put(st, string(rune('w'+i)), &x)
		}
		c := NewCoordinator(Config{}, new(world), new(world), new(world))
		switch req := req.(type) {
		case *kmsg.InitProducerIDRequest:
			if req.TransactionalID != nil {
				m.initProducerID(st, req, m.deadline(st.Now), coord.NewPromise[*kmsg.InitProducerIDResponse]())
			}
		case *kmsg.EndTxnRequest:
			m.endTxn(st, req, m.deadline(st.Now), coord.NewPromise[*kmsg.EndTxnResponse]())
		case *kmsg.AddPartitionsToTxnRequest:
			c.AddPartitionsToTxn(t.Context(), client, req).AppendTo(nil)
			for _, x := range req.Transactions {
				m.add(st, addition{x.TransactionalID, x.ProducerID, x.ProducerEpoch, []coord.TopicPartition{tp("a", 1)}, 2},
					m.deadline(st.Now), coord.NewPromise[int16]())
				m.verify(x.TransactionalID, x.ProducerID, x.ProducerEpoch, []coord.TopicPartition{tp("a", 1)})
			}
		case *kmsg.AddOffsetsToTxnRequest:
			c.AddOffsetsToTxn(t.Context(), client, req).AppendTo(nil)
		case *kmsg.WriteTxnMarkersRequest:
			w := &world{written: make(map[coord.TopicPartition][]coord.Marker)}
			WriteTxnMarkers(t.Context(), w, req).AppendTo(nil)
		case *kmsg.ListTransactionsRequest:
			c.ListTransactions(t.Context(), client, req).AppendTo(nil)
		case *kmsg.DescribeTransactionsRequest:
			c.DescribeTransactions(t.Context(), client, req).AppendTo(nil)
		}
		records, effects := st.Take()
		for _, e := range effects {
			e.Commit()
		}
		replayed := fuzzMachine()
		for _, r := range records {
			require.NoError(t, replayed.Replay(r))
		}
		live, again := make(map[string]metadata), make(map[string]metadata)
		for id, x := range m.txns {
			live[id] = x.metadata
		}
		for id, x := range replayed.txns {
			again[id] = x.metadata
		}
		require.Equal(t, normal(again), normal(live))
	})
}
