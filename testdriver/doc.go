// Package testdriver runs a topology in memory, record by record, with the
// nodes, stores and planner of the real runtime and the clock of the test.
//
//	d := testdriver.New(t, topo)
//	d.Input(readings).Send("KSFO", Reading{TempC: 11})
//	got := d.Output(means).All()
//
// # What runs
//
// By default the whole topology is one task with one partition, as in the test
// driver of Kafka Streams, and every record is committed on its own, so that
// nothing waits in a cache. [Partitions] gives each sub-topology its tasks, and
// then a row in the wrong partition fails the test; [ManualCommit] leaves the
// commits to the test; [Interleave] has tasks take turns at random;
// [WithCrashes] stops tasks at random and restores them.
//
// # Time
//
// The clock stands still until [Driver.Advance] moves it, which calls wall-clock
// schedules. Stream time moves by the timestamps of records; [Driver.CloseWindows]
// moves it without one.
//
// # State, drops and failures
//
// [Driver.Store] opens the store of a handle, [Driver.Dropped] counts what was
// dropped by reason, and [Driver.Records] has all that was sent, changelogs
// included. A failure of the program fails the test, unless [OnFailure] decides
// otherwise.
//
// A Driver belongs to the goroutine of its test.
package testdriver
