package windowing

import (
	"errors"
	"time"
)

// Unit is the length of a calendar window.
type Unit uint8

const (
	Day   Unit = iota + 1
	Week       // from Monday
	Month      // from the first
	Year       // from the first of January
)

// Calendar is the definition of windows of whole days, weeks, months or years
// in a time zone. They follow each other without gap or overlap; a day with a
// change of clocks has 23 or 25 hours.
type Calendar struct {
	Unit  Unit
	In    *time.Location
	Grace time.Duration
}

// Days are calendar days in the given zone.
func Days(in *time.Location) Calendar { return Calendar{Unit: Day, In: in} }

// Weeks are calendar weeks, from Monday, in the given zone.
func Weeks(in *time.Location) Calendar { return Calendar{Unit: Week, In: in} }

// Months are calendar months in the given zone.
func Months(in *time.Location) Calendar { return Calendar{Unit: Month, In: in} }

// Years are calendar years in the given zone.
func Years(in *time.Location) Calendar { return Calendar{Unit: Year, In: in} }

// WithGrace lets windows take records for g of stream time after their end.
func (c Calendar) WithGrace(g time.Duration) Calendar { c.Grace = g; return c }

// bounds returns the window that contains t.
func (c Calendar) bounds(t time.Time) (start, end time.Time) {
	y, m, d := t.In(c.In).Date()
	at := func(y int, m time.Month, d int) time.Time { return time.Date(y, m, d, 0, 0, 0, 0, c.In) }
	switch c.Unit {
	case Week:
		d -= (int(at(y, m, d).Weekday()) + 6) % 7
		return at(y, m, d), at(y, m, d+7)
	case Month:
		return at(y, m, 1), at(y, m+1, 1)
	case Year:
		return at(y, 1, 1), at(y+1, 1, 1)
	default:
		return at(y, m, d), at(y, m, d+1)
	}
}

// First implements [Windows]. A window that would begin before 1970 begins
// then, because stores have no negative times.
func (c Calendar) First(ts int64) (int64, bool) {
	start, _ := c.bounds(time.UnixMilli(ts))
	return max(0, start.UnixMilli()), true
}

// Next implements [Windows].
func (c Calendar) Next(int64, int64) (int64, bool) { return 0, false }

// End implements [Windows].
func (c Calendar) End(start int64) int64 {
	_, end := c.bounds(time.UnixMilli(start))
	return end.UnixMilli()
}

// Longest implements [Windows].
func (c Calendar) Longest() int64 {
	const hour = int64(time.Hour / time.Millisecond)
	switch c.Unit {
	case Week:
		return 7*24*hour + 2*hour
	case Month:
		return 31*24*hour + 2*hour
	case Year:
		return 366*24*hour + 2*hour
	default:
		return 26 * hour
	}
}

// GraceMillis implements [Windows].
func (c Calendar) GraceMillis() int64 { return c.Grace.Milliseconds() }

// Validate implements [Windows].
func (c Calendar) Validate() error {
	if c.In == nil {
		return errors.New("windowing: calendar windows need a time zone, such as time.UTC")
	}
	if c.Unit < Day || c.Unit > Year {
		return errors.New("windowing: unknown calendar unit")
	}
	return validGrace(c.Grace)
}
