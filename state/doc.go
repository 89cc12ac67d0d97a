// Package state holds the stores of tasks: typed views over an ordered byte
// engine, the uncommitted writes above it, and the handles that declare and open
// them.
//
// # Handles
//
// A handle is made once, by [KeyValue], [Timestamped], [Window],
// [TimestampedWindow], [Session] or [Versioned], and used wherever the store is
// meant: it declares the store when a processor is added, opens it in the
// processor by In, and finds it in tests and queries.
//
//	var seen = state.KeyValue("seen", serde.String, serde.Int64)
//
//	func (p *dedupe) Init(c *processor.Context, _ *processor.Out[string, Order]) error {
//		p.seen = seen.In(c)
//		return nil
//	}
//
// A store of [WithHeaders] values keeps headers with them. Scans are range
// functions over entries and errors: they see the store as it was when they
// began, and close themselves.
//
// An open store belongs to its task's goroutine. Other goroutines read what is
// committed, through snapshots of a running application.
//
// # The way of a write
//
// Typed store → (cache of typed values) → overlay of the open transaction, and the
// changelog → one batch for the engine when the transaction has committed.
//
// Invariants:
//   - The engine holds committed writes only. What a transaction wrote reaches
//     it in one atomic batch together with the changelog position that covers
//     it, so at every instant a process can die the visible content of a store
//     equals its changelog replayed up to the stored position.
//   - A store-partition belongs to one [Txn] at a time, and a Txn to one
//     goroutine. Other goroutines read snapshots of the engine.
//
// # Engines
//
// An [Engine] is one ordered space of keys for a process; those of packages
// state/mem, state/rocks and state/pebble pass the suite of state/statetest.
// What a store-partition writes begins with a prefix of four bytes of its own.
package state
