package runtime

import (
	"maps"
	"sync"
	"time"
)

// counts are a worker's own running totals.
type counts struct {
	records    int64
	commits    int64
	aborts     int64
	commitTime time.Duration
}

// Metrics is a snapshot of what the application has done since it started.
type Metrics struct {
	State      State
	RecordsIn  int64 // processed
	RecordsOut int64 // written, changelogs included
	Commits    int64
	Aborts     int64
	CommitTime time.Duration    // spent in commits, over all workers
	Dropped    map[string]int64 // records not processed, by reason
	Lost       map[string]int64 // records deleted before they were read, by topic
	Tasks      []TaskMetrics
}

// TaskMetrics describes a task of this process.
type TaskMetrics struct {
	Task    string // sub-topology _ partition
	Worker  int
	Running bool  // otherwise it is being prepared or restored
	Lag     int64 // offsets between what is processed and the ends of the inputs; 0 until it runs
	Records int64
}

// metricsBox is where workers leave their numbers.
type metricsBox struct {
	mu      sync.Mutex
	workers []workerMetrics
	lost    map[string]int64 // by topic
}

type workerMetrics struct {
	counts
	sent    int64
	dropped map[string]int64
	tasks   []TaskMetrics
	at      time.Time
}

// metricsInterval is how often a worker publishes its numbers.
const metricsInterval = 200 * time.Millisecond

// count publishes the worker's numbers now and then.
func (w *worker) count() {
	box := &w.app.numbers
	box.mu.Lock()
	defer box.mu.Unlock()
	mine := &box.workers[w.index]
	now := w.clock()
	mine.counts, mine.sent = w.counts, w.collector.sent
	if now.Sub(mine.at) < metricsInterval && !w.stopping {
		return
	}
	mine.at = now
	mine.dropped = maps.Clone(w.dropped)
	mine.tasks = mine.tasks[:0]
	for _, s := range w.slots {
		tm := TaskMetrics{Task: name(s.id), Worker: w.index, Running: s.phase == phaseRunning, Records: s.records}
		for _, in := range s.inputs {
			at, ok := s.task.Position(in.topic)
			if !ok {
				at = in.begin
			}
			if at >= 0 {
				tm.Lag += max(0, in.end-at)
			}
		}
		for reason, n := range s.task.Dropped() {
			mine.dropped[reason] += n
		}
		mine.tasks = append(mine.tasks, tm)
	}
}

// Metrics returns the numbers as the workers last published them, a fraction of
// a second ago. It may be called from any goroutine.
func (a *App) Metrics() Metrics {
	m := Metrics{State: a.state.get(), Dropped: make(map[string]int64)}
	a.numbers.mu.Lock()
	defer a.numbers.mu.Unlock()
	m.Lost = maps.Clone(a.numbers.lost)
	for i := range a.numbers.workers {
		w := &a.numbers.workers[i]
		m.RecordsIn += w.records
		m.RecordsOut += w.sent
		m.Commits += w.commits
		m.Aborts += w.aborts
		m.CommitTime += w.commitTime
		for reason, n := range w.dropped {
			m.Dropped[reason] += n
		}
		m.Tasks = append(m.Tasks, w.tasks...)
	}
	return m
}
