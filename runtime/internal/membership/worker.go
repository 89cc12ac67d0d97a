package membership

import (
	"slices"

	"github.com/thalweg/thalweg/runtime/internal/assign"
	"github.com/thalweg/thalweg/runtime/internal/commit"
)

// Worker is a worker's side of its messages. What they say about the epoch
// counts at once; tasks change hands later, between transactions: the worker
// asks for Lost and Change, does what they say, and reports Closed or
// CarriedOut.
type Worker struct {
	commit *commit.Machine
	losses int
	lost   *Message // not yet carried out
	change *Message // not yet carried out
}

// NewWorker makes the side of the worker that commits by c.
func NewWorker(c *commit.Machine) *Worker { return &Worker{commit: c} }

// Receive takes in a message, given what the worker runs at that time, sorted,
// and reports whether there is a change to carry out now. What was lost since it
// was decided is passed over.
func (w *Worker) Receive(m Message, runs []assign.Task) (change bool) {
	switch {
	case m.Losses < w.losses:
		return false
	case m.Lost:
		w.losses = m.Losses
		w.lost, w.change = &m, nil
		w.commit.Lost()
		return false
	}
	w.losses = m.Losses
	w.change = &m
	w.commit.Confirm(m.Epoch, slices.Equal(m.Before, runs))
	return true
}

// Losses is how many losses were received.
func (w *Worker) Losses() int { return w.losses }

// Lost reports that the tasks at hand are lost: the transaction has to be
// aborted and all tasks closed.
func (w *Worker) Lost() bool { return w.lost != nil }

// Closed takes in that lost tasks are closed.
func (w *Worker) Closed() Answer {
	m := *w.lost
	w.lost = nil
	return m.Answer()
}

// Change is the message to carry out: with the transaction ended, tasks that
// are not the worker's any more or are to be reopened are closed, and those
// that it does not run are opened.
func (w *Worker) Change() (m Message, ok bool) {
	if w.change == nil {
		return Message{}, false
	}
	return *w.change, true
}

// CarriedOut takes in that the change was carried out, and what the worker runs
// by now, sorted.
func (w *Worker) CarriedOut(runs []assign.Task) Answer {
	m := *w.change
	w.change = nil
	w.commit.Confirm(m.Epoch, slices.Equal(m.Tasks, runs))
	return m.Answer()
}
