package txn

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/thalweg/thalweg/broker/coord"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func run(t *testing.T, name string, cfg Config, test func(t *testing.T, h *harness)) {
	t.Run(name, func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) { test(t, start(t, cfg)) })
	})
}

func TestCommit(t *testing.T) {
	run(t, "TV2", Config{}, func(t *testing.T, h *harness) {
		p := h.mustInit()
		require.Equal(t, int16(0), p.epoch)
		for epoch := range int16(3) {
			require.NoError(t, p.add("a", 0))
			require.NoError(t, p.add("b", 1))
			require.NoError(t, p.add("a", 0))
			before := h.journal.Appends()
			require.NoError(t, p.end(5, true))
			require.Equal(t, epoch+1, p.epoch, "each end raises the epoch")
			synctest.Wait()
			require.Equal(t, "CompleteCommit", h.state())
			require.Equal(t, 2, h.journal.Appends()-before, "one append to prepare, one to complete")
			want := coord.Marker{ProducerID: p.pid, ProducerEpoch: p.epoch, Commit: true, Version: 2}
			require.Equal(t, want, h.writtenTo(tp("a", 0))[epoch])
			require.Equal(t, want, h.writtenTo(tp("b", 1))[epoch])
		}
		require.Equal(t, kerr.ProducerFenced, (&producer{h, p.pid, p.epoch - 1}).add("a", 0), "a late write cannot enter the next transaction")
	})
	run(t, "TV1", Config{}, func(t *testing.T, h *harness) {
		p := h.mustInit()
		for range 3 {
			require.Equal(t, []int16{0, 0}, p.addV1(tp("a", 0), tp("b", 1)))
			require.NoError(t, p.end(4, true))
			require.Equal(t, int16(0), p.epoch)
		}
		synctest.Wait()
		require.Len(t, h.writtenTo(tp("a", 0)), 3)
		require.Equal(t, coord.Marker{ProducerID: p.pid, Commit: true, Version: 1}, h.writtenTo(tp("a", 0))[2])
	})
	run(t, "offsets of TV1", Config{}, func(t *testing.T, h *harness) {
		p := h.mustInit()
		req := kmsg.NewPtrAddOffsetsToTxnRequest()
		req.Version, req.TransactionalID, req.ProducerID, req.ProducerEpoch, req.Group = 3, "x", p.pid, p.epoch, "g"
		require.Zero(t, h.AddOffsetsToTxn(t.Context(), client, req).ErrorCode)
		require.NoError(t, p.end(4, false))
		synctest.Wait()
		require.Equal(t, []coord.Marker{{ProducerID: p.pid, Version: 1}}, h.writtenTo(tp(coord.OffsetsTopic, 0)))
	})
}

// TestEndTxnV5 is the table of KIP-890: what an EndTxn finds, by state, by
// whether its epoch is the present one or the one before. While markers are
// written, which they are for ever here, the present epoch has to wait.
func TestEndTxnV5(t *testing.T) {
	type outcome struct {
		err  error
		bump int16
	}
	const commit, abort = true, false
	states := map[string]func(h *harness, p *producer){
		"Empty": func(h *harness, p *producer) {},
		"CompleteCommit": func(h *harness, p *producer) {
			require.NoError(h.t, p.add("a", 0))
			require.NoError(h.t, p.end(5, commit))
		},
		"CompleteAbort": func(h *harness, p *producer) {
			require.NoError(h.t, p.add("a", 0))
			require.NoError(h.t, p.end(5, abort))
		},
		"PrepareCommit": func(h *harness, p *producer) {
			h.set(func() { h.gate = make(chan struct{}) })
			require.NoError(h.t, p.add("a", 0))
			require.NoError(h.t, p.end(5, commit))
		},
		"PrepareAbort": func(h *harness, p *producer) {
			h.set(func() { h.gate = make(chan struct{}) })
			require.NoError(h.t, p.add("a", 0))
			require.NoError(h.t, p.end(5, abort))
		},
	}
	fenced, invalid, concurrent := kerr.ProducerFenced, kerr.InvalidTxnState, kerr.ConcurrentTransactions
	for _, c := range []struct {
		state                      string
		abortRetry, abortCurrent   outcome
		commitRetry, commitCurrent outcome
	}{
		{"Empty", outcome{fenced, 0}, outcome{nil, 1}, outcome{fenced, 0}, outcome{invalid, 0}},
		{"CompleteAbort", outcome{nil, 0}, outcome{nil, 1}, outcome{invalid, 0}, outcome{invalid, 0}},
		{"CompleteCommit", outcome{invalid, 0}, outcome{nil, 1}, outcome{nil, 0}, outcome{invalid, 0}},
		{"PrepareCommit", outcome{invalid, 0}, outcome{concurrent, 0}, outcome{concurrent, 0}, outcome{concurrent, 0}},
		{"PrepareAbort", outcome{concurrent, 0}, outcome{concurrent, 0}, outcome{invalid, 0}, outcome{concurrent, 0}},
	} {
		for _, x := range []struct {
			name   string
			back   int16
			commit bool
			want   outcome
		}{
			{"abort retry", 1, abort, c.abortRetry},
			{"abort current", 0, abort, c.abortCurrent},
			{"commit retry", 1, commit, c.commitRetry},
			{"commit current", 0, commit, c.commitCurrent},
		} {
			run(t, c.state+" "+x.name, Config{}, func(t *testing.T, h *harness) {
				h.mustInit()
				p := h.mustInit() // epoch 1: there is an epoch before it
				states[c.state](h, p)
				synctest.Wait()
				require.Equal(t, c.state, h.state())
				current := p.epoch
				p.epoch -= x.back
				err := p.end(5, x.commit)
				if x.want.err != nil {
					require.Equal(t, x.want.err, err)
					return
				}
				require.NoError(t, err)
				require.Equal(t, current+x.want.bump, p.epoch)
			})
		}
	}
}

func TestFencing(t *testing.T) {
	run(t, "second instance", Config{}, func(t *testing.T, h *harness) {
		old := h.mustInit()
		require.NoError(t, old.add("a", 0))
		now := h.mustInit() // aborts, waits for the markers, takes over
		require.Equal(t, old.pid, now.pid)
		require.Equal(t, int16(2), now.epoch, "one epoch for the abort, one for the new instance")
		require.Equal(t, []coord.Marker{{ProducerID: old.pid, ProducerEpoch: 1, Version: 2}}, h.writtenTo(tp("a", 0)))
		require.Equal(t, kerr.ProducerFenced, old.add("a", 0))
		require.Equal(t, kerr.ProducerFenced, old.end(5, true))
		require.Equal(t, kerr.ProducerFenced, old.end(4, true))
	})
	run(t, "markers are slow", Config{}, func(t *testing.T, h *harness) {
		old := h.mustInit()
		require.NoError(t, old.add("a", 0))
		h.set(func() { h.gate = make(chan struct{}) })
		_, err := h.init(-1, -1)
		require.Equal(t, kerr.ConcurrentTransactions, err)
	})
	run(t, "own epoch", Config{}, func(t *testing.T, h *harness) {
		p := h.mustInit()
		q, err := h.init(p.pid, p.epoch)
		require.NoError(t, err)
		require.Equal(t, producer{h, p.pid, 1}, *q)
		again, err := h.init(p.pid, p.epoch)
		require.NoError(t, err)
		require.Equal(t, *q, *again, "a repeated request does not raise the epoch again")
		_, err = h.init(p.pid+7, 0)
		require.Equal(t, kerr.ProducerFenced, err)
		require.NoError(t, q.add("a", 0))
		_, err = h.init(p.pid, p.epoch)
		require.Equal(t, kerr.ProducerFenced, err, "a zombie cannot abort its successor")
		require.Equal(t, "Ongoing", h.state())
	})
}

func TestTimeout(t *testing.T) {
	run(t, "abort", Config{}, func(t *testing.T, h *harness) {
		p := h.mustInit()
		require.NoError(t, p.add("a", 0))
		time.Sleep(9999 * time.Millisecond)
		require.Equal(t, "Ongoing", h.state())
		time.Sleep(2 * time.Millisecond)
		synctest.Wait()
		require.Equal(t, "CompleteAbort", h.state())
		require.Equal(t, []coord.Marker{{ProducerID: p.pid, ProducerEpoch: 1, Version: 2}}, h.writtenTo(tp("a", 0)))
		require.Equal(t, kerr.ProducerFenced, p.add("a", 0))
		require.Equal(t, kerr.InvalidTxnState, p.end(5, true))
		require.NoError(t, p.end(5, false), "the client's abort finds it done and learns the epoch")
		require.NoError(t, p.add("a", 0))
	})
	run(t, "survives failover", Config{}, func(t *testing.T, h *harness) {
		p := h.mustInit()
		require.NoError(t, p.add("a", 0))
		time.Sleep(9 * time.Second)
		h.restart()
		time.Sleep(1100 * time.Millisecond)
		synctest.Wait()
		require.Equal(t, "CompleteAbort", h.state())
	})
}

func TestRotation(t *testing.T) {
	run(t, "commit", Config{MaxEpoch: 2}, func(t *testing.T, h *harness) {
		p := h.mustInit()
		seen := map[producer]bool{*p: true}
		for range 10 {
			require.NoError(t, p.add("a", 0))
			retry := *p
			require.NoError(t, p.end(5, true))
			require.False(t, seen[*p], "an identity was given twice: %+v", *p)
			require.LessOrEqual(t, p.epoch, int16(2))
			seen[*p] = true
			synctest.Wait()
			require.NoError(t, retry.end(5, true))
			require.Equal(t, *p, retry, "a repeated EndTxn learns the new identity")
		}
		last := h.writtenTo(tp("a", 0))
		require.Equal(t, int16(3), last[2].ProducerEpoch, "the last markers of an id carry the epoch above the limit")
	})
	run(t, "next transaction while markers are written", Config{MaxEpoch: 1}, func(t *testing.T, h *harness) {
		h.mustInit()
		p := h.mustInit()
		require.NoError(t, p.add("a", 0))
		gate := make(chan struct{})
		h.set(func() { h.gate = gate })
		require.NoError(t, p.end(5, true))
		require.Zero(t, p.epoch)
		added := make(chan error, 1)
		go func() { added <- p.add("a", 1) }()
		synctest.Wait()
		close(gate)
		require.NoError(t, <-added, "the request waits instead of being refused")
	})
	run(t, "timeout", Config{MaxEpoch: 1}, func(t *testing.T, h *harness) {
		h.mustInit()
		p := h.mustInit()
		require.NoError(t, p.add("a", 0))
		time.Sleep(11 * time.Second)
		synctest.Wait()
		require.Equal(t, "CompleteAbort", h.state())
		q, err := h.init(-1, -1)
		require.NoError(t, err)
		require.NotEqual(t, p.pid, q.pid)
		require.Equal(t, int16(1), q.epoch)
	})
	run(t, "fencing", Config{MaxEpoch: 1}, func(t *testing.T, h *harness) {
		h.mustInit()
		p := h.mustInit()
		require.NoError(t, p.add("a", 0))
		q := h.mustInit()
		require.NotEqual(t, p.pid, q.pid)
		require.Equal(t, kerr.InvalidProducerIDMapping, p.add("a", 0))
		require.NoError(t, q.add("a", 0))
	})
}

func TestMarkers(t *testing.T) {
	run(t, "retried", Config{}, func(t *testing.T, h *harness) {
		p := h.mustInit()
		h.set(func() { h.refuse[tp("a", 1)] = kerr.NotLeaderForPartition.Code })
		require.NoError(t, p.add("a", 0))
		require.NoError(t, p.add("a", 1))
		require.NoError(t, p.end(5, true))
		time.Sleep(5 * time.Second)
		require.Equal(t, "PrepareCommit", h.state())
		require.Equal(t, kerr.ConcurrentTransactions, p.add("a", 0))
		h.set(func() { delete(h.refuse, tp("a", 1)) })
		time.Sleep(2 * time.Second)
		require.Equal(t, "CompleteCommit", h.state())
		require.Len(t, h.writtenTo(tp("a", 0)), 1, "partitions that are done are left alone")
	})
	run(t, "deleted topic", Config{}, func(t *testing.T, h *harness) {
		p := h.mustInit()
		require.NoError(t, p.add("a", 0))
		require.NoError(t, p.add("b", 0))
		h.set(func() {
			delete(h.exist, "b")
			h.refuse[tp("b", 0)] = kerr.UnknownTopicOrPartition.Code
		})
		require.NoError(t, p.end(5, false))
		synctest.Wait()
		require.Equal(t, "CompleteAbort", h.state())
	})
	run(t, "after failover", Config{}, func(t *testing.T, h *harness) {
		p := h.mustInit()
		require.NoError(t, p.add("a", 0))
		gate := make(chan struct{})
		h.set(func() { h.gate, h.refuse[tp("a", 0)] = gate, kerr.NotLeaderForPartition.Code })
		require.NoError(t, p.end(5, true))
		h.journal.SetLeaderEpoch(9)
		h.set(func() { h.gate = nil; delete(h.refuse, tp("a", 0)) })
		h.restart()
		synctest.Wait()
		require.Equal(t, "CompleteCommit", h.state())
		m := h.writtenTo(tp("a", 0))
		require.Equal(t, int32(9), m[len(m)-1].CoordinatorEpoch)
	})
}

func TestJournalFailure(t *testing.T) {
	for _, written := range []bool{false, true} {
		run(t, map[bool]string{false: "lost", true: "answer lost"}[written], Config{}, func(t *testing.T, h *harness) {
			p := h.mustInit()
			require.NoError(t, p.add("a", 0))
			h.journal.FailNext(1, written)
			require.Equal(t, kerr.CoordinatorNotAvailable, p.end(5, true))
			require.NoError(t, h.Serving(t.Context()))
			synctest.Wait()
			require.NoError(t, p.end(5, true), "the repeated request finds what happened")
			require.Equal(t, int16(1), p.epoch)
			synctest.Wait()
			require.Equal(t, "CompleteCommit", h.state())
			require.Len(t, h.writtenTo(tp("a", 0)), 1)
		})
	}
}

func TestAddPartitionsV3(t *testing.T) {
	run(t, "unknown partition", Config{}, func(t *testing.T, h *harness) {
		p := h.mustInit()
		require.Equal(t, []int16{kerr.OperationNotAttempted.Code, kerr.UnknownTopicOrPartition.Code}, p.addV1(tp("a", 0), tp("nope", 0)))
		require.Equal(t, "Empty", h.state())
	})
	run(t, "identity", Config{}, func(t *testing.T, h *harness) {
		p := h.mustInit()
		require.Equal(t, []int16{kerr.InvalidProducerIDMapping.Code}, (&producer{h, p.pid + 1, 0}).addV1(tp("a", 0)))
		require.Equal(t, []int16{kerr.ProducerFenced.Code}, (&producer{h, p.pid, 5}).addV1(tp("a", 0)))
	})
	run(t, "verify", Config{}, func(t *testing.T, h *harness) {
		p := h.mustInit()
		require.Zero(t, p.addV1(tp("a", 0))[0])
		require.Equal(t, []int16{0, kerr.TransactionAbortable.Code},
			h.AddPartitions(t.Context(), "x", p.pid, p.epoch, []coord.TopicPartition{tp("a", 0), tp("a", 1)}, true))
		require.NoError(t, p.end(4, true))
		synctest.Wait()
		require.Equal(t, []int16{kerr.TransactionAbortable.Code},
			h.AddPartitions(t.Context(), "x", p.pid, p.epoch, []coord.TopicPartition{tp("a", 0)}, true))
	})
}

func TestExpiry(t *testing.T) {
	run(t, "idle id", Config{}, func(t *testing.T, h *harness) {
		p := h.mustInit()
		time.Sleep(8 * 24 * time.Hour)
		require.Equal(t, kerr.TransactionalIDNotFound.Error(), h.state())
		require.Equal(t, kerr.InvalidProducerIDMapping, p.add("a", 0))
		h.restart()
		require.Equal(t, kerr.TransactionalIDNotFound.Error(), h.state())
	})
}

func TestInitProducerIDChecks(t *testing.T) {
	run(t, "bad requests", Config{}, func(t *testing.T, h *harness) {
		req := kmsg.NewPtrInitProducerIDRequest()
		req.Version, req.TransactionalID, req.TransactionTimeoutMillis = 5, kmsg.StringPtr(""), 1000
		require.Equal(t, kerr.InvalidRequest.Code, h.InitProducerID(t.Context(), client, req).ErrorCode)
		req.TransactionalID, req.TransactionTimeoutMillis = kmsg.StringPtr("x"), 0
		require.Equal(t, kerr.InvalidTransactionTimeout.Code, h.InitProducerID(t.Context(), client, req).ErrorCode)
		req.TransactionTimeoutMillis = 900_001
		require.Equal(t, kerr.InvalidTransactionTimeout.Code, h.InitProducerID(t.Context(), client, req).ErrorCode)
	})
	run(t, "idempotent only", Config{}, func(t *testing.T, h *harness) {
		seen := make(map[int64]bool)
		for range 2500 {
			req := kmsg.NewPtrInitProducerIDRequest()
			req.Version = 5
			resp := h.InitProducerID(t.Context(), client, req)
			require.Zero(t, resp.ErrorCode)
			require.Zero(t, resp.ProducerEpoch)
			require.False(t, seen[resp.ProducerID])
			seen[resp.ProducerID] = true
		}
	})
}

func TestListTransactions(t *testing.T) {
	run(t, "filters", Config{}, func(t *testing.T, h *harness) {
		p := h.mustInit()
		require.NoError(t, p.add("a", 0))
		time.Sleep(5 * time.Second)
		list := func(change func(*kmsg.ListTransactionsRequest)) *kmsg.ListTransactionsResponse {
			req := kmsg.NewPtrListTransactionsRequest()
			req.Version, req.DurationFilterMillis = 2, -1
			change(req)
			return h.ListTransactions(t.Context(), client, req)
		}
		require.Len(t, list(func(*kmsg.ListTransactionsRequest) {}).TransactionStates, 1)
		require.Len(t, list(func(r *kmsg.ListTransactionsRequest) { r.StateFilters = []string{"Ongoing"} }).TransactionStates, 1)
		require.Empty(t, list(func(r *kmsg.ListTransactionsRequest) { r.StateFilters = []string{"Empty"} }).TransactionStates)
		unknown := list(func(r *kmsg.ListTransactionsRequest) { r.StateFilters = []string{"Nope"} })
		require.Equal(t, []string{"Nope"}, unknown.UnknownStateFilters)
		require.Empty(t, unknown.TransactionStates)
		require.Empty(t, list(func(r *kmsg.ListTransactionsRequest) { r.ProducerIDFilters = []int64{p.pid + 1} }).TransactionStates)
		require.Len(t, list(func(r *kmsg.ListTransactionsRequest) { r.DurationFilterMillis = 4000 }).TransactionStates, 1)
		require.Empty(t, list(func(r *kmsg.ListTransactionsRequest) { r.DurationFilterMillis = 6000 }).TransactionStates)
		require.Len(t, list(func(r *kmsg.ListTransactionsRequest) { r.TransactionalIDPattern = kmsg.StringPtr("x+") }).TransactionStates, 1)
		require.Empty(t, list(func(r *kmsg.ListTransactionsRequest) { r.TransactionalIDPattern = kmsg.StringPtr("y") }).TransactionStates)
		require.Equal(t, kerr.InvalidRegularExpression.Code, list(func(r *kmsg.ListTransactionsRequest) { r.TransactionalIDPattern = kmsg.StringPtr("(") }).ErrorCode)
	})
}

func TestRequestsOfBrokers(t *testing.T) {
	run(t, "AddPartitionsToTxn", Config{}, func(t *testing.T, h *harness) {
		p := h.mustInit()
		send := func(version int16, verify bool, partitions ...int32) []int16 {
			req := kmsg.NewPtrAddPartitionsToTxnRequest()
			req.Version = version
			req.Transactions = []kmsg.AddPartitionsToTxnRequestTransaction{
				{TransactionalID: "x", ProducerID: p.pid, VerifyOnly: verify, Topics: []kmsg.AddPartitionsToTxnRequestTransactionTopic{{Topic: "a", Partitions: partitions}}},
				{TransactionalID: "none", VerifyOnly: verify, Topics: []kmsg.AddPartitionsToTxnRequestTransactionTopic{{Topic: "a", Partitions: []int32{0}}}},
			}
			resp := h.AddPartitionsToTxn(t.Context(), client, req)
			var codes []int16
			for _, x := range resp.Transactions {
				for _, r := range x.Topics[0].Partitions {
					codes = append(codes, r.ErrorCode)
				}
			}
			return codes
		}
		unmapped := kerr.InvalidProducerIDMapping.Code
		require.Equal(t, []int16{0, 0, unmapped}, send(5, false, 0, 1))
		require.Equal(t, []int16{0, kerr.TransactionAbortable.Code, unmapped}, send(5, true, 1, 2))
		require.Equal(t, []int16{0, kerr.InvalidTxnState.Code, unmapped}, send(4, true, 1, 2))
	})
	run(t, "WriteTxnMarkers", Config{}, func(t *testing.T, h *harness) {
		h.refuse[tp("b", 0)] = kerr.NotLeaderForPartition.Code
		req := kmsg.NewPtrWriteTxnMarkersRequest()
		req.Version = 2
		req.Markers = []kmsg.WriteTxnMarkersRequestMarker{{
			ProducerID: 5, ProducerEpoch: 3, Committed: true, CoordinatorEpoch: 4, TransactionVersion: 2,
			Topics: []kmsg.WriteTxnMarkersRequestMarkerTopic{{Topic: "a", Partitions: []int32{0, 1}}, {Topic: "b", Partitions: []int32{0}}},
		}}
		out := WriteTxnMarkers(t.Context(), h.world, req).Markers[0]
		require.Equal(t, int64(5), out.ProducerID)
		require.Zero(t, out.Topics[0].Partitions[1].ErrorCode)
		require.Equal(t, kerr.NotLeaderForPartition.Code, out.Topics[1].Partitions[0].ErrorCode)
		want := coord.Marker{ProducerID: 5, ProducerEpoch: 3, Commit: true, CoordinatorEpoch: 4, Version: 2}
		require.Equal(t, []coord.Marker{want}, h.writtenTo(tp("a", 1)))
	})
	run(t, "DescribeProducers", Config{}, func(t *testing.T, h *harness) {
		req := kmsg.NewPtrDescribeProducersRequest()
		req.Topics = []kmsg.DescribeProducersRequestTopic{{Topic: "a", Partitions: []int32{0, 9}}}
		got := DescribeProducers(t.Context(), producers{}, req).Topics[0].Partitions
		require.Equal(t, int64(5), got[0].ActiveProducers[0].ProducerID)
		require.Equal(t, kerr.UnknownTopicOrPartition.Code, got[1].ErrorCode)
	})
}

// producers has one producer in every partition 0.
type producers struct{}

func (producers) Producers(_ string, partition int32) ([]kmsg.DescribeProducersResponseTopicPartitionActiveProducer, error) {
	if partition != 0 {
		return nil, kerr.UnknownTopicOrPartition
	}
	return []kmsg.DescribeProducersResponseTopicPartitionActiveProducer{{ProducerID: 5}}, nil
}

// TestEndTxnOvertakesProduce ends a transaction whose first addition still
// waits for the transaction before it.
func TestEndTxnOvertakesProduce(t *testing.T) {
	for _, version := range []int16{4, 5} {
		for _, maxEpoch := range []int16{0, 1} { // 1: the producer id changes in between
			run(t, fmt.Sprintf("v%d max epoch %d", version, maxEpoch), Config{MaxEpoch: maxEpoch}, func(t *testing.T, h *harness) {
				h.mustInit()
				p := h.mustInit()
				add := func(partition int32) error {
					if version < 5 {
						return kerr.ErrorForCode(p.addV1(tp("a", partition))[0])
					}
					return p.add("a", partition)
				}
				require.NoError(t, add(0))
				gate := make(chan struct{})
				h.set(func() { h.gate = gate })
				require.NoError(t, p.end(version, true))
				added, ended := make(chan error, 1), make(chan error, 1)
				go func() { added <- add(1) }()
				synctest.Wait()
				q := *p
				go func() { ended <- q.end(version, false) }()
				synctest.Wait()
				close(gate)
				require.NoError(t, <-added)
				require.NoError(t, <-ended)
				synctest.Wait()
				require.Equal(t, "CompleteAbort", h.state())
				require.True(t, h.writtenTo(tp("a", 0))[0].Commit)
				require.False(t, h.writtenTo(tp("a", 1))[0].Commit)
			})
		}
	}
}
