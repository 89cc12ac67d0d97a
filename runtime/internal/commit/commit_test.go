package commit

import "testing"

// A worker that waits for an epoch may find several messages: that epoch, the loss
// of the membership, and an epoch of the next one. Nothing of before the loss is
// committed under the last.
func TestLossBehindTheAwaitedEpoch(t *testing.T) {
	for _, transactional := range []bool{true, false} {
		m := New(transactional)
		m.Confirm(Epoch{"a", 1}, true)
		m.Commit()
		m.Flushed(OK, true)
		if m.Next(Rebalancing) != Await {
			t.Fatalf("step %v, want to await an epoch", m.Step())
		}
		m.Confirm(Epoch{"a", 2}, true)
		m.Lost()
		if m.Confirm(Epoch{"b", 3}, true); m.Step() != EndAbort {
			t.Errorf("step %v, want end abort", m.Step())
		}
	}
}
