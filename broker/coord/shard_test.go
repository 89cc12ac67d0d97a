package coord_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/thalweg/thalweg/broker/coord"
	"github.com/thalweg/thalweg/broker/coord/coordtest"
	"github.com/thalweg/thalweg/internal/batch"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// counter adds numbers up; its state is the sum of its records.
type counter struct {
	sum    uint64
	trace  []string
	timers coord.Timers[string]
}

func (c *counter) Replay(r coord.Record) error {
	c.trace = append(c.trace, fmt.Sprintf("%d %d/%d %q", r.Kind, r.ProducerID, r.ProducerEpoch, r.Key))
	if r.Value != nil {
		c.sum += binary.BigEndian.Uint64(r.Value)
	}
	return nil
}

func (c *counter) Loaded(*coord.Step) {}

func (c *counter) Next() (time.Time, bool) { return c.timers.Next() }

func (c *counter) Tick(s *coord.Step) {
	for {
		if _, ok := c.timers.Pop(s.Now); !ok {
			return
		}
		c.add(s, 100)
	}
}

func (c *counter) add(s *coord.Step, n uint64) {
	s.Append(coord.Record{Key: []byte("k"), Value: binary.BigEndian.AppendUint64(nil, n)})
	c.sum += n
}

func add(ctx context.Context, s *coord.Shard[*counter], n uint64) (uint64, error) {
	return s.Do(ctx, func(c *counter, st *coord.Step, p *coord.Promise[uint64]) {
		c.add(st, n)
		st.Reply(p, c.sum)
	})
}

func read(ctx context.Context, s *coord.Shard[*counter]) (uint64, error) {
	return s.Do(ctx, func(c *counter, st *coord.Step, p *coord.Promise[uint64]) { st.Reply(p, c.sum) })
}

// slow is a journal whose appends wait for a token.
type slow struct {
	coordtest.Journal
	tokens chan struct{}
}

func (j *slow) Append(ctx context.Context, b []byte) error {
	select {
	case <-j.tokens:
	case <-ctx.Done():
		return ctx.Err()
	}
	return j.Journal.Append(ctx, b)
}

func serve(t *testing.T, j coord.Journal) *coord.Shard[*counter] {
	s := coord.StartShard(slog.New(slog.DiscardHandler), j, func() *counter { return &counter{} })
	t.Cleanup(s.Close)
	require.NoError(t, s.Serving(t.Context()))
	return s
}

func TestShardBatchesWhileAppending(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := &slow{tokens: make(chan struct{})}
		s := serve(t, j)
		answers := make(chan uint64, 200)
		for range 100 {
			go func() {
				sum, err := add(t.Context(), s, 1)
				require.NoError(t, err)
				answers <- sum
			}()
		}
		synctest.Wait()
		go func() {
			sum, err := read(t.Context(), s)
			require.NoError(t, err)
			answers <- sum
		}()
		synctest.Wait()
		require.Empty(t, answers, "nothing is answered before it is committed, reads included")
		// All may have come before the shard looked: then one append holds them.
		for len(answers) < 101 {
			j.tokens <- struct{}{}
			synctest.Wait()
		}
		require.LessOrEqual(t, j.Appends(), 2, "what comes during an append shares the next one")
	})
}

func TestShardReplaysAfterFailure(t *testing.T) {
	for _, written := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			j := new(coordtest.Journal)
			s := serve(t, j)
			sum, err := add(t.Context(), s, 1)
			require.NoError(t, err)
			require.Equal(t, uint64(1), sum)
			j.FailNext(1, written)
			_, err = add(t.Context(), s, 10)
			require.ErrorIs(t, err, coord.ErrLost)
			_, err = add(t.Context(), s, 10)
			require.ErrorIs(t, err, coord.ErrLoading)
			require.NoError(t, s.Serving(t.Context()))
			sum, err = read(t.Context(), s)
			require.NoError(t, err)
			require.Equal(t, map[bool]uint64{false: 1, true: 11}[written], sum)
		})
	}
}

func TestShardTimers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serve(t, new(coordtest.Journal))
		require.NoError(t, s.Submit(func(c *counter, st *coord.Step) {
			c.timers.Set("a", st.Now.Add(time.Second))
			c.timers.Set("b", st.Now.Add(time.Minute))
			c.timers.Set("a", st.Now.Add(2*time.Second))
			c.timers.Set("c", st.Now.Add(time.Second))
			c.timers.Stop("c")
		}))
		for at, want := range map[time.Duration]uint64{1500 * time.Millisecond: 0} {
			time.Sleep(at)
			sum, err := read(t.Context(), s)
			require.NoError(t, err)
			require.Equal(t, want, sum)
		}
		time.Sleep(time.Second)
		sum, err := read(t.Context(), s)
		require.NoError(t, err)
		require.Equal(t, uint64(100), sum)
	})
}

func TestShardClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := &slow{tokens: make(chan struct{})}
		s := coord.StartShard(slog.New(slog.DiscardHandler), j, func() *counter { return &counter{} })
		require.NoError(t, s.Serving(t.Context()))
		failed := make(chan error, 2)
		go func() { _, err := add(t.Context(), s, 1); failed <- err }()
		ctx, cancel := context.WithCancelCause(t.Context())
		gone := errors.New("client gone")
		go func() { _, err := add(ctx, s, 1); failed <- err }()
		synctest.Wait()
		cancel(gone)
		require.ErrorIs(t, <-failed, gone)
		s.Close()
		require.ErrorIs(t, <-failed, coord.ErrNotLeader)
		_, err := read(t.Context(), s)
		require.ErrorIs(t, err, coord.ErrNotLeader)
		require.ErrorIs(t, s.Serving(t.Context()), coord.ErrNotLeader)
	})
}

// TestRecordsSurviveTheJournal writes every kind of record and a value larger
// than a batch should be.
func TestRecordsSurviveTheJournal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := new(coordtest.Journal)
		s := serve(t, j)
		big := make([]byte, 300<<10)
		_, err := s.Do(t.Context(), func(_ *counter, st *coord.Step, p *coord.Promise[int]) {
			for _, key := range []string{"a", "b", "c"} {
				st.Append(coord.Record{Key: append([]byte(key), big...)})
			}
			st.Append(coord.Record{Kind: coord.Transactional, ProducerID: 5, ProducerEpoch: 1, Key: []byte("d")})
			st.Append(coord.Record{Kind: coord.Transactional, ProducerID: 6, ProducerEpoch: 1, Key: []byte("e")})
			st.Append(coord.Record{Kind: coord.CommitMarker, ProducerID: 5, ProducerEpoch: 2, CoordinatorEpoch: 3})
			st.Append(coord.Record{Kind: coord.AbortMarker, ProducerID: 6, ProducerEpoch: 2})
			st.Append(coord.Record{Key: []byte("f")})
			st.Reply(p, 0)
		})
		require.NoError(t, err)
		require.Equal(t, 1, j.Appends())
		batches := 0
		require.NoError(t, j.Load(t.Context(), func(v batch.View) error {
			batches++
			require.Less(t, len(v), 1<<20)
			return nil
		}))
		require.Equal(t, 8, batches)
		s2 := serve(t, j)
		trace, err := s2.Do(t.Context(), func(c *counter, st *coord.Step, p *coord.Promise[[]string]) { st.Reply(p, c.trace) })
		require.NoError(t, err)
		require.Equal(t, []string{`1 5/1 "d"`, `1 6/1 "e"`, `2 5/2 ""`, `3 6/2 ""`, `0 0/0 "f"`}, trace[3:])
	})
}

// BenchmarkShardConcurrentSteps shows how concurrent requests share appends.
func BenchmarkShardConcurrentSteps(b *testing.B) {
	j := new(coordtest.Journal)
	s := coord.StartShard(slog.New(slog.DiscardHandler), j, func() *counter { return &counter{} })
	defer s.Close()
	if err := s.Serving(b.Context()); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.SetParallelism(50)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := add(b.Context(), s, 1); err != nil {
				b.Error(err)
				return
			}
		}
	})
	b.ReportMetric(float64(b.N)/float64(j.Appends()), "steps/append")
}

// What is led only after the end, as a topic that comes into being meanwhile,
// starts nothing that would outlive it.
func TestNothingIsLedAfterClose(t *testing.T) {
	var shards coord.Shards[*counter]
	fresh := func() *counter { return new(counter) }
	log := slog.New(slog.DiscardHandler)
	shards.Lead(log, 0, new(coordtest.Journal), fresh)
	shards.Close()
	shards.Lead(log, 1, new(coordtest.Journal), fresh)
	require.Empty(t, shards.All())
	_, err := shards.Get(1)
	require.ErrorIs(t, err, coord.ErrNotLeader)
}
