package runtime

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/thalweg/thalweg/dsl"
	"github.com/thalweg/thalweg/processor"
	"github.com/thalweg/thalweg/runtime/internal/cluster"
	"github.com/thalweg/thalweg/serde"
	"github.com/thalweg/thalweg/state"
	"github.com/thalweg/thalweg/state/mem"
	"github.com/thalweg/thalweg/topology"
)

// TestReadOnlyStore: a store of a topic that others write is restored from it
// where there is no local state, has no changelog of its own, and is read by
// another processor, which cannot write it.
func TestReadOnlyStore(t *testing.T) {
	prices := state.KeyValue("prices", serde.String, serde.String)
	b := dsl.NewBuilder()
	b.ReadOnlyStore(prices, "keep", topology.NewTopic("prices", serde.String, serde.String), func() processor.Func[string, string, string, string] {
		return func(c *processor.Context, r processor.Record[string, string], _ *processor.Out[string, string]) error {
			return prices.In(c).Put(r.Key, r.Value)
		}
	})
	b.Stream(linesTopic).
		ProcessFunc("price", func(c *processor.Context, r processor.Record[string, string], out *processor.Out[string, string]) error {
			if err := prices.In(c).Put(r.Key, "mine"); err == nil {
				r.Value = "written"
				return out.Forward(r)
			}
			price, _, err := prices.In(c).Get(r.Key)
			if err != nil {
				return err
			}
			r.Value += " " + price
			return out.Forward(r)
		}, prices).
		To(outTopic)
	topo, err := b.Build()
	require.NoError(t, err)

	eachGuarantee(t, map[string]int32{"prices": 2, "lines": 2, "out": 1}, func(t *testing.T, r *rig, g Guarantee) {
		cfg := r.config("app")
		cfg.Guarantee = g
		restored := make(chan RestoreProgress, 100)
		p := r.start(topo, cfg)
		r.produce("prices", 1, kv{"tea", "3"}, kv{"rye", "4"}, kv{"tea", "5"})
		require.Eventually(t, func() bool { return r.groupOffset("app", "prices", 1) == 3 }, 20*time.Second, 5*time.Millisecond)
		r.produce("lines", 1, kv{"tea", "1"})
		require.Equal(t, []string{"1 5"}, values(r.committed("out", 0, count(1))))
		require.NoError(t, p.stop())

		cfg.State = mem.New()
		cfg.OnRestore = func(p RestoreProgress) { restored <- p }
		r.start(topo, cfg)
		r.produce("lines", 1, kv{"rye", "2"})
		got := r.committed("out", 0, func(rs []*kgo.Record) bool { return len(rs) >= 2 })
		require.Equal(t, []string{"1 5", "2 4"}, values(got))
		require.Equal(t, "prices", (<-restored).Changelog)
		all, err := cluster.New(r.client).All(t.Context())
		require.NoError(t, err)
		require.NotContains(t, all, "app-prices-changelog")
	})
}
