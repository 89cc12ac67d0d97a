package membership

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thalweg/thalweg/runtime/internal/assign"
	"github.com/thalweg/thalweg/runtime/internal/commit"
)

func tasks(partitions ...int32) (ts []assign.Task) {
	for _, p := range partitions {
		ts = append(ts, assign.Task{Partition: p})
	}
	return ts
}

func epoch(generation int32, losses int, partitions ...int32) Epoch {
	return Epoch{Epoch: commit.Epoch{Member: "m", Generation: generation}, Losses: losses, Tasks: tasks(partitions...)}
}

// answer answers messages, all but the last of which lead to nothing.
func answer(t *testing.T, m *Machine, ms []Message) (out Output) {
	t.Helper()
	for _, msg := range ms {
		require.Zero(t, out)
		out = m.Answered(msg.Answer())
	}
	return out
}

func TestEpochs(t *testing.T) {
	m := New(2)
	owned, generation := m.Owned()
	require.Empty(t, owned)
	require.Equal(t, int32(-1), generation)

	out := m.Joined(epoch(1, 0, 2, 0, 1))
	require.Equal(t, []Message{
		{Worker: 0, Epoch: commit.Epoch{Member: "m", Generation: 1}, Tasks: tasks(0, 2)},
		{Worker: 1, Epoch: commit.Epoch{Member: "m", Generation: 1}, Tasks: tasks(1)},
	}, out.Messages)
	require.Equal(t, Output{CarriedOut: true}, answer(t, m, out.Messages))

	// Tasks stay where they are, what is missing is given up, and what reads
	// other inputs now is opened anew.
	e := epoch(2, 0, 1, 2, 3)
	e.Changed = func(t assign.Task) bool { return t.Partition == 2 }
	out = m.Joined(e)
	require.Equal(t, []Message{
		{Worker: 0, Epoch: commit.Epoch{Member: "m", Generation: 2}, Before: tasks(0, 2), Tasks: tasks(2, 3), Reopen: tasks(2)},
		{Worker: 1, Epoch: commit.Epoch{Member: "m", Generation: 2}, Before: tasks(1), Tasks: tasks(1)},
	}, out.Messages)
	require.Equal(t, Output{CarriedOut: true, GaveUp: true}, answer(t, m, out.Messages))
	owned, generation = m.Owned()
	require.Equal(t, tasks(1, 2, 3), owned)
	require.Equal(t, int32(2), generation)
}

// After a loss, what was decided before it counts for nothing, and the next
// epoch waits until everything is closed.
func TestLoss(t *testing.T) {
	m := New(2)
	before := m.Joined(epoch(1, 0, 0, 1))
	require.Zero(t, m.Answered(before.Messages[0].Answer()))
	lost := m.Lost()
	require.Len(t, lost.Messages, 2)
	owned, generation := m.Owned()
	require.Empty(t, owned)
	require.Equal(t, int32(-1), generation)

	require.Zero(t, m.Answered(before.Messages[1].Answer()))
	require.Zero(t, m.Joined(epoch(1, 0, 0, 1)), "of before the loss")
	require.Zero(t, m.Joined(epoch(3, 1, 1)), "nothing is closed yet")
	require.Zero(t, m.Answered(lost.Messages[1].Answer()))
	require.Zero(t, m.Answered(lost.Messages[1].Answer()), "answered twice")
	out := m.Answered(lost.Messages[0].Answer())
	require.Equal(t, []Message{
		{Worker: 0, Losses: 1, Epoch: commit.Epoch{Member: "m", Generation: 3}, Tasks: tasks(1)},
		{Worker: 1, Losses: 1, Epoch: commit.Epoch{Member: "m", Generation: 3}},
	}, out.Messages)
}

// A worker that runs something else than the membership takes it to run does not
// commit it.
func TestWorkerCompares(t *testing.T) {
	c := commit.New(true)
	w := NewWorker(c)
	one := Message{Epoch: commit.Epoch{Member: "m", Generation: 1}, Tasks: tasks(0)}
	require.True(t, w.Receive(one, nil))
	require.Equal(t, one.Answer(), w.CarriedOut(tasks(0)))
	require.Equal(t, commit.Flush, c.Commit())
	c.Flushed(commit.OK, false)
	c.Next(commit.OK)
	c.Next(commit.OK)

	two := Message{Epoch: commit.Epoch{Member: "m", Generation: 2}, Before: tasks(0), Tasks: tasks(0)}
	require.True(t, w.Receive(two, tasks(0, 1)))
	require.True(t, c.Poisoned())
	require.Equal(t, commit.EndAbort, c.Commit())
	c.Next(commit.OK)
	c.Next(commit.OK)
	require.Equal(t, commit.EndAbort, c.Commit(), "not confirmed")
	c.Next(commit.OK)
	c.Next(commit.OK)
	w.CarriedOut(tasks(0))
	require.Equal(t, commit.Flush, c.Commit())
}

func TestWorkerPassesOverWhatWasLost(t *testing.T) {
	c := commit.New(true)
	w := NewWorker(c)
	lost := Message{Losses: 1, Lost: true, Epoch: commit.Epoch{Generation: -1}}
	require.False(t, w.Receive(lost, nil))
	require.True(t, w.Lost())
	require.Equal(t, lost.Answer(), w.Closed())
	require.False(t, w.Receive(Message{Epoch: commit.Epoch{Member: "m", Generation: 1}, Tasks: tasks(0)}, nil))
	_, ok := w.Change()
	require.False(t, ok)
	require.Equal(t, commit.EndAbort, c.Commit())
}
