package task

// choice orders the non-empty input queues of a task by the timestamp of
// their head records.
//
// Invariants:
//   - exactly the queues with a decoded head record are in the heap, once each;
//   - the root has the smallest head timestamp.
//
// Which of several queues with equal head timestamps comes first is visible in
// a program's output, so the sift rules are those of java.util.PriorityQueue:
// an added queue moves up while strictly smaller than its parent, and when the
// root is taken the last element goes down from the top, to the right child
// only where that is strictly smaller than the left one.
type choice struct {
	heap []*queue
}

// add inserts a queue whose head is decoded.
func (c *choice) add(q *queue) {
	c.heap = append(c.heap, q)
	k := len(c.heap) - 1
	for k > 0 {
		parent := (k - 1) / 2
		if q.time >= c.heap[parent].time {
			break
		}
		c.heap[k] = c.heap[parent]
		k = parent
	}
	c.heap[k] = q
}

// take removes the queue with the smallest head timestamp, nil when there is
// none.
func (c *choice) take() *queue {
	n := len(c.heap) - 1
	if n < 0 {
		return nil
	}
	root, last := c.heap[0], c.heap[n]
	c.heap[n] = nil
	c.heap = c.heap[:n]
	if n > 0 {
		c.down(last)
	}
	return root
}

// down puts q, taken from the end, at its place seen from the root.
func (c *choice) down(q *queue) {
	n, k := len(c.heap), 0
	for k < n/2 {
		child := 2*k + 1
		if right := child + 1; right < n && c.heap[child].time > c.heap[right].time {
			child = right
		}
		if q.time <= c.heap[child].time {
			break
		}
		c.heap[k] = c.heap[child]
		k = child
	}
	c.heap[k] = q
}

func (c *choice) empty() bool { return len(c.heap) == 0 }
