// Package coord drives the group and transaction coordinators.
//
// A coordinator is sharded by the partitions of its internal topic
// (__consumer_offsets, __transaction_state). Each shard is a pure state
// machine, a [Machine], owned by one goroutine, a [Shard]:
//
//	request ─▶ step(machine, now) ─▶ records ─▶ Journal.Append ─▶ committed
//	                 │                   │                            │
//	                 └ state changed ◀───┘ by the same apply          ▼
//	                   function that replays the journal      effects: replies,
//	                                                          marker jobs
//
// Invariants:
//
//  1. Every change of durable state is a record, and the function that applies
//     the record is the one that replays the journal. Live state is therefore
//     replayed state.
//  2. A step sees the effects of all steps before it, committed or not. Its
//     own effects are released only when all records it could have seen are
//     committed. No client ever learns of state that a crash can take back.
//  3. One append is in flight at a time. Steps that run meanwhile share the
//     next append: batching follows from load, there is no linger.
//  4. When an append fails the shard forgets everything and replays the
//     journal. Requests that wait are answered with [ErrLost].
package coord
