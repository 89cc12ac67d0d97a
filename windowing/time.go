package windowing

import (
	"fmt"
	"math"
	"time"
)

// Windows cuts event time into windows whose bounds do not depend on the
// records. Times are Unix milliseconds and not negative.
type Windows interface {
	// First returns the start of the earliest window that contains ts.
	First(ts int64) (start int64, ok bool)
	// Next returns the start of the window after the one that begins at
	// start, if that contains ts too.
	Next(start, ts int64) (next int64, ok bool)
	// End returns the exclusive end of the window that begins at start.
	End(start int64) int64
	// Longest returns the length of the longest window in milliseconds.
	Longest() int64
	// GraceMillis returns for how long after its end, in stream time, a
	// window still takes records.
	GraceMillis() int64
	// Validate reports what is wrong with the definition.
	Validate() error
}

// Time is the definition of tumbling and hopping windows. They are aligned to
// the Unix epoch.
type Time struct{ Size, Advance, Grace time.Duration }

// Tumbling windows of one size follow each other without gap or overlap.
func Tumbling(size time.Duration) Time { return Time{Size: size, Advance: size} }

// Hopping windows of one size begin every advance, which is at most the size.
func Hopping(size, advance time.Duration) Time { return Time{Size: size, Advance: advance} }

// WithGrace lets windows take records for g of stream time after their end.
func (t Time) WithGrace(g time.Duration) Time { t.Grace = g; return t }

// First implements [Windows].
func (t Time) First(ts int64) (int64, bool) {
	size, adv := t.Size.Milliseconds(), t.Advance.Milliseconds()
	return max(0, ts-size+adv) / adv * adv, true
}

// Next implements [Windows].
func (t Time) Next(start, ts int64) (int64, bool) {
	adv := t.Advance.Milliseconds()
	if start > math.MaxInt64-adv {
		return 0, false
	}
	return start + adv, start+adv <= ts
}

// End implements [Windows]. An end that would overflow is the largest time.
func (t Time) End(start int64) int64 {
	if size := t.Size.Milliseconds(); start <= math.MaxInt64-size {
		return start + size
	}
	return math.MaxInt64
}

// Longest implements [Windows].
func (t Time) Longest() int64 { return t.Size.Milliseconds() }

// GraceMillis implements [Windows].
func (t Time) GraceMillis() int64 { return t.Grace.Milliseconds() }

// Validate implements [Windows].
func (t Time) Validate() error {
	switch {
	case t.Size < time.Millisecond:
		return fmt.Errorf("windowing: window size %v: must be at least 1ms", t.Size)
	case t.Advance < time.Millisecond || t.Advance > t.Size:
		return fmt.Errorf("windowing: advance %v of windows of size %v: must be at least 1ms and at most the size", t.Advance, t.Size)
	}
	return validGrace(t.Grace)
}

func validGrace(g time.Duration) error {
	if g < 0 {
		return fmt.Errorf("windowing: grace %v: must not be negative", g)
	}
	return nil
}

// Endless is the definition of one window that never ends.
type Endless struct{ From time.Time }

// Unlimited is one window from 1970 on that never ends.
func Unlimited() Endless { return Endless{From: time.UnixMilli(0)} }

// StartOn sets the start of the window; records from before are left out.
func (u Endless) StartOn(t time.Time) Endless { u.From = t; return u }

// First implements [Windows].
func (u Endless) First(ts int64) (int64, bool) {
	start := u.From.UnixMilli()
	return start, ts >= start
}

// Next implements [Windows].
func (u Endless) Next(int64, int64) (int64, bool) { return 0, false }

// End implements [Windows].
func (u Endless) End(int64) int64 { return math.MaxInt64 }

// Longest implements [Windows].
func (u Endless) Longest() int64 { return math.MaxInt64 }

// GraceMillis implements [Windows].
func (u Endless) GraceMillis() int64 { return 0 }

// Validate implements [Windows].
func (u Endless) Validate() error {
	if u.From.UnixMilli() < 0 {
		return fmt.Errorf("windowing: unlimited window from %v: must not begin before 1970", u.From)
	}
	return nil
}
