// Package runtime runs a topology against brokers: it is a member of a consumer
// group, runs the tasks it is assigned on a number of workers, keeps their
// state, and commits, by default exactly once.
//
//	err := runtime.Run(ctx, topo, runtime.Config{
//		ApplicationID: "billing",
//		Brokers:       []string{"localhost:9092"},
//		State:         pebble.Dir("state"),
//	})
//
// # Life
//
// [Run] returns when ctx is done, after a last commit, or with the error that
// stopped a task. [New] makes an [App] that can also be asked: for its [State], its
// [Metrics], a table's row ([App.Get]) or a [Snapshot] of all stores.
//
// Processes with one ApplicationID share the tasks among them. One that ends or
// dies leaves its tasks to the others, which restore what they do not have.
//
// # Transactions
//
// Each worker commits the outputs, changelogs and offsets of its tasks in one
// transaction, every [Config.CommitInterval], and only under an assignment in
// which it still owns all of them. Local state follows the commit. A crash, or a
// task that is taken away, undoes what was not committed.
//
// # Failures
//
// [Config.OnError] decides about records that cannot be decoded, processed,
// encoded or written: fail, skip, dead letter, retry. Errors of stores and of the
// brokers are not asked about: they are overcome, or Run returns them.
//
// The name is that of a package of the standard library; where both are needed,
// import one under another name.
package runtime
