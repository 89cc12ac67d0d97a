package task

// Readiness (KIP-695). A task with several inputs gives a better order of
// records when it waits until each of them has data. maxIdle is the longest
// wait in ms for a partition that was fetched to its end; a negative one never
// waits at all.
//
// Invariant: a queue that has records or is known to lag has no deadline, so
// each wait begins anew.

// Ready reports whether Process may take a record at the time now, in Unix
// milliseconds.
func (t *Task) Ready(now int64) bool {
	if t.maxIdle < 0 {
		return !t.choice.empty()
	}
	ready := true
	for _, q := range t.queues {
		switch {
		case q.ready:
			q.waiting = false
		case t.caughtUp != nil && !t.caughtUp(q.topic, q.partition):
			q.waiting, ready = false, false // there is more to fetch
		case !q.waiting:
			q.waiting, q.deadline = true, now+t.maxIdle
			ready = ready && t.maxIdle == 0
		case now < q.deadline:
			ready = false
		}
	}
	return ready && !t.choice.empty()
}

// Wake gives the time, in Unix milliseconds, at which a task that has records
// becomes ready though no others come; false when it waits for none.
func (t *Task) Wake() (at int64, ok bool) {
	if t.choice.empty() {
		return 0, false
	}
	for _, q := range t.queues {
		if q.waiting && (!ok || q.deadline > at) {
			at, ok = q.deadline, true
		}
	}
	return at, ok
}

// Buffered reports whether the task holds a record to process.
func (t *Task) Buffered() bool { return !t.choice.empty() }
