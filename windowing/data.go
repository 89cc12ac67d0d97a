package windowing

import (
	"fmt"
	"time"
)

// Sliding is the definition of windows that hold all records of a key which
// are at most Difference apart. There is a window for each distinct set of
// records that can be seen through it. (KIP-450)
type Sliding struct{ Difference, Grace time.Duration }

// SlidingOf are sliding windows over records at most d apart.
func SlidingOf(d time.Duration) Sliding { return Sliding{Difference: d} }

// WithGrace lets windows take records for g of stream time after their end.
func (s Sliding) WithGrace(g time.Duration) Sliding { s.Grace = g; return s }

// Validate reports what is wrong with the definition.
func (s Sliding) Validate() error {
	if s.Difference < 0 {
		return fmt.Errorf("windowing: time difference %v of sliding windows: must not be negative", s.Difference)
	}
	return validGrace(s.Grace)
}

// Session is the definition of windows of activity: records of a key belong to
// one session when no gap between them is longer than Gap.
type Session struct{ Gap, Grace time.Duration }

// Sessions are sessions that end after gap without a record.
func Sessions(gap time.Duration) Session { return Session{Gap: gap} }

// WithGrace lets sessions take records for g of stream time after they ended.
func (s Session) WithGrace(g time.Duration) Session { s.Grace = g; return s }

// Validate reports what is wrong with the definition.
func (s Session) Validate() error {
	if s.Gap < 0 {
		return fmt.Errorf("windowing: session gap %v: must not be negative", s.Gap)
	}
	return validGrace(s.Grace)
}

// Join says which records of two streams meet: a record on the right at time r
// meets one on the left at time l when l-Before <= r <= l+After. One of the
// two may be negative, as long as their sum is not.
type Join struct{ Before, After, Grace time.Duration }

// Within joins records at most d apart.
func Within(d time.Duration) Join { return Join{Before: d, After: d} }

// WithBefore sets by how much the right record may be earlier.
func (j Join) WithBefore(d time.Duration) Join { j.Before = d; return j }

// WithAfter sets by how much the right record may be later.
func (j Join) WithAfter(d time.Duration) Join { j.After = d; return j }

// WithGrace waits for g of stream time after a window's end for late records,
// before a record of a left or outer join is said to have no partner.
func (j Join) WithGrace(g time.Duration) Join { j.Grace = g; return j }

// Size returns the length of the window.
func (j Join) Size() time.Duration { return j.Before + j.After }

// Validate reports what is wrong with the definition.
func (j Join) Validate() error {
	if j.Before+j.After < 0 {
		return fmt.Errorf("windowing: join window from %v before to %v after: ends before it begins", j.Before, j.After)
	}
	return validGrace(j.Grace)
}
