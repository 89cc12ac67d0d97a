// Package quirk names faults of Kafka Streams that are mended here and that
// comparisons with it have to reproduce: recorded runs are equal to ours with
// them, and to the truth without.
package quirk

// Set is a set of faults.
type Set uint8

const (
	// StaleForeignJoins leaves a result of an inner foreign-key join standing
	// where the answer that would have taken it back was overtaken by another
	// version of the row.
	StaleForeignJoins Set = 1 << iota
	// UnseenDeletes lets results of joins stand that were made with a row that
	// was put and deleted between two flushes of its table's cache.
	UnseenDeletes
	// ExpiredUnseen stores the record that closes windows before they are
	// emitted on close, so that those are lost which expire with it.
	ExpiredUnseen
	// EarlyUnmatched gives the unmatched result of a late record of a join of
	// streams while others may still match it, and looks for unmatched records
	// when the last of them is due.
	EarlyUnmatched

	// All is all of them.
	All = StaleForeignJoins | UnseenDeletes | ExpiredUnseen | EarlyUnmatched
)

// Has reports whether a fault is in the set.
func (s Set) Has(q Set) bool { return s&q != 0 }
