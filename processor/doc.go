// Package processor is the lower API: typed nodes that see one record at a time,
// keep state in stores, and are called when time passes.
//
//	type alarm struct{ last *state.KV[string, int64] }
//
//	func (a *alarm) Init(c *processor.Context, out *processor.Out[string, Alert]) error {
//		a.last = last.In(c)
//		c.Schedule(time.Minute, processor.StreamTime, func(now int64) error { … })
//		return nil
//	}
//
//	func (a *alarm) Process(c *processor.Context, r processor.Record[string, Reading], out *processor.Out[string, Alert]) error {
//		…
//		return out.Forward(processor.Record[string, Alert]{Key: r.Key, Value: Alert{…}, Timestamp: r.Timestamp})
//	}
//
// # Contract
//
// Each task has its own processors and its own [Context], and calls them from one
// goroutine at a time: fields need no lock, and must not hold what has to survive
// a crash, which belongs in a store. Forward calls the nodes below before it
// returns, so its error must be returned as it is.
//
// # Failures
//
// An error or a panic of a processor goes to the application's [FailureHandler] as
// a [Failure] that names the innermost node. Errors of the framework are
// [FatalError]s: they end the task, whatever user code makes of them.
//
// Frame, Collector, Env and the node types are for those who run tasks.
package processor
