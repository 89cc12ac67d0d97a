// Package meta holds the cluster's metadata: topics, partitions and their
// leaders, configurations, brokers, finalized features, the next producer id.
//
// The state is a pure value, [Image], and changes only by applying a [Record].
// Records come out of one Raft log (go.etcd.io/raft), which [Node] drives: it
// owns the goroutine, the disk and nothing else. Live changes, replay after a
// restart and the loading of a snapshot all go through [Image.Apply], so there
// is no second path that could disagree.
//
// A single broker is a group of one voter; every change is still written to
// the log and fsynced before it is visible.
//
// Invariants:
//   - an Image that was published is never changed again;
//   - records are applied in the order of their Raft index, each once;
//   - a term or vote is on disk before anything that depends on it happens,
//     and an entry before it counts as committed.
package meta
