package runtime

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
)

// Handler serves what an operator looks at:
//
//	/healthz   200 unless the application failed
//	/readyz    200 while all tasks of this process run; records that were deleted
//	           before they were read are named below the state
//	/metrics   the Metrics in Prometheus' text format
//	/topology  the topology as text
//
// It may be used before Run and after it.
func (a *App) Handler() http.Handler {
	mux := http.NewServeMux()
	state := func(good func(State) bool) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			s := a.State()
			if !good(s) {
				w.WriteHeader(http.StatusServiceUnavailable)
			}
			fmt.Fprintln(w, s)
			lost := a.Metrics().Lost
			for _, topic := range slices.Sorted(maps.Keys(lost)) {
				fmt.Fprintf(w, "lost: %d records of topic %s were deleted before they were read\n", lost[topic], topic)
			}
		}
	}
	mux.HandleFunc("GET /healthz", state(func(s State) bool { return s != Failed }))
	mux.HandleFunc("GET /readyz", state(func(s State) bool { return s == Running }))
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; version=0.0.4")
		a.Metrics().write(w)
	})
	mux.HandleFunc("GET /topology", func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, a.topology.Describe())
	})
	return mux
}

// write prints the metrics in Prometheus' text format.
func (m Metrics) write(w io.Writer) {
	metric := func(name, kind, help string, value any) {
		fmt.Fprintf(w, "# HELP thalweg_%s %s\n# TYPE thalweg_%s %s\nthalweg_%s %v\n", name, help, name, kind, name, value)
	}
	running := 0
	if m.State == Running {
		running = 1
	}
	metric("running", "gauge", "1 while all tasks of this process run.", running)
	metric("records_in_total", "counter", "Records processed.", m.RecordsIn)
	metric("records_out_total", "counter", "Records written, changelogs included.", m.RecordsOut)
	metric("commits_total", "counter", "Commits.", m.Commits)
	metric("aborts_total", "counter", "Aborts.", m.Aborts)
	metric("commit_seconds_total", "counter", "Time spent in commits, over all workers.", m.CommitTime.Seconds())

	fmt.Fprint(w, "# HELP thalweg_dropped_total Records not processed, by reason.\n# TYPE thalweg_dropped_total counter\n")
	for _, reason := range slices.Sorted(maps.Keys(m.Dropped)) {
		fmt.Fprintf(w, "thalweg_dropped_total{reason=%q} %d\n", reason, m.Dropped[reason])
	}
	fmt.Fprint(w, "# HELP thalweg_lost_total Records deleted before they were read, by topic.\n# TYPE thalweg_lost_total counter\n")
	for _, topic := range slices.Sorted(maps.Keys(m.Lost)) {
		fmt.Fprintf(w, "thalweg_lost_total{topic=%q} %d\n", topic, m.Lost[topic])
	}
	fmt.Fprint(w, "# HELP thalweg_task_lag Offsets between what is processed and the ends of the inputs, of tasks that run.\n# TYPE thalweg_task_lag gauge\n")
	for _, t := range m.Tasks {
		if t.Running {
			fmt.Fprintf(w, "thalweg_task_lag{task=%q,worker=\"%d\"} %d\n", t.Task, t.Worker, t.Lag)
		}
	}
	fmt.Fprint(w, "# HELP thalweg_task_records_total Records processed since the task was opened here.\n# TYPE thalweg_task_records_total counter\n")
	for _, t := range m.Tasks {
		fmt.Fprintf(w, "thalweg_task_records_total{task=%q,worker=\"%d\"} %d\n", t.Task, t.Worker, t.Records)
	}
}
