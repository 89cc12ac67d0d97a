package runtime

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func TestBackoff(t *testing.T) {
	b := backoff{first: time.Second}
	now := time.Now()
	for _, want := range []time.Duration{0, 1, 2, 4, 8, 10, 10} {
		require.Equal(t, want*time.Second, b.aborted(now, 0))
		require.Equal(t, want*time.Second, b.left(now))
		require.Zero(t, b.left(now.Add(want*time.Second)))
	}
	require.Equal(t, time.Minute, b.aborted(now, time.Minute), "the least there is to wait may be more")
	b.committed()
	require.Zero(t, b.left(now))
	require.Equal(t, 3*time.Second, b.aborted(now, 3*time.Second))
	for range 100 {
		b.aborted(now, 0)
	}
	require.Equal(t, maxBackoff, b.left(now))
}

// TestAbortsInARow: a partition that takes nothing has transactions abort one after
// the other. The log names it and the brokers' answer, as an error from the third
// on; once it takes batches again, nothing is missing.
func TestAbortsInARow(t *testing.T) {
	for _, m := range abortModes {
		t.Run(m.name, func(t *testing.T) {
			fake, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.BrokerConfigs(map[string]string{"group.initial.rebalance.delay.ms": "0"}))
			require.NoError(t, err)
			t.Cleanup(fake.Close)
			var refuses atomic.Bool
			fake.ControlKey(int16(kmsg.Produce), func(req kmsg.Request) (kmsg.Response, error, bool) {
				fake.KeepControl()
				if rt := req.(*kmsg.ProduceRequest).Topics; !refuses.Load() || rt[0].Topic != "out" {
					return nil, nil, false
				}
				return refusal(req.(*kmsg.ProduceRequest), kerr.NotEnoughReplicas), nil, true
			})
			r := rigAt(t, fake.ListenAddrs(), map[string]int32{"lines": 1, "out": 1})
			r.session, r.protocol1 = 6*time.Second, m.protocol1
			said := new(logs)
			cfg := r.config("app")
			cfg.Guarantee, cfg.Workers, cfg.TransactionTimeout, cfg.RetryAfter = m.guarantee, 1, 50*time.Millisecond, time.Millisecond
			cfg.Logger = said.logger()
			p := r.start(fragile(t, broken), cfg)
			out := r.follow()
			r.produce("lines", 0, kv{"k", "before"})
			out.until(t, "before")
			refuses.Store(true)
			r.produce("lines", 0, kv{"k", "refused"})
			require.Eventually(t, func() bool {
				return said.has("level=ERROR", "one after the other", "in_a_row=3", "topic out partition 0", kerr.NotEnoughReplicas.Message)
			}, 60*time.Second, 5*time.Millisecond)
			require.True(t, said.has("level=WARN", "transaction aborted", "in_a_row=1", "topic out partition 0"))
			refuses.Store(false)
			r.produce("lines", 0, kv{"k", "after"})
			out.until(t, "after")
			require.NoError(t, p.stop())
			if m.guarantee == AtLeastOnce {
				out.got = firsts(out.got)
			}
			require.Equal(t, []string{"before", "refused", "after"}, out.got)
		})
	}
}

// refusal refuses all batches of a request.
func refusal(req *kmsg.ProduceRequest, code *kerr.Error) *kmsg.ProduceResponse {
	resp := req.ResponseKind().(*kmsg.ProduceResponse)
	for _, rt := range req.Topics {
		topic := kmsg.NewProduceResponseTopic()
		topic.Topic = rt.Topic
		for _, rp := range rt.Partitions {
			part := kmsg.NewProduceResponseTopicPartition()
			part.Partition, part.ErrorCode = rp.Partition, code.Code
			topic.Partitions = append(topic.Partitions, part)
		}
		resp.Topics = append(resp.Topics, topic)
	}
	return resp
}
