// Package board follows the weather topics and keeps what a view needs: the last summary of each station and day, the
// rejected rows by reason, and a hash of the result.
package board

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json/v2"
	"fmt"
	"maps"
	"slices"

	"github.com/thalweg/thalweg/examples/weather/pipeline"
)

// Board is what the weather topics say so far. One goroutine uses it at a time.
type Board struct {
	last     map[string][]byte // key → last value, as it stands on the topic
	stations map[string]*Station
	reasons  map[string]int
	updates  int
}

// Station is one station's year.
type Station struct {
	Code string
	Name string
	Days map[string]pipeline.Summary // by date
	Last pipeline.Summary            // of the latest day
}

// New makes an empty board.
func New() *Board {
	return &Board{last: map[string][]byte{}, stations: map[string]*Station{}, reasons: map[string]int{}}
}

// Processed takes a record of the processed topic: a summary that replaces the one with the same key, or, where value is
// nil, its removal.
func (b *Board) Processed(key string, value []byte) error {
	b.updates++
	if value == nil {
		delete(b.last, key)
		return nil
	}
	var s pipeline.Summary
	if err := json.Unmarshal(value, &s); err != nil {
		return fmt.Errorf("board: %s: %w", key, err)
	}
	b.last[key] = slices.Clone(value)
	st := b.stations[s.Station]
	if st == nil {
		st = &Station{Code: s.Station, Days: map[string]pipeline.Summary{}}
		b.stations[s.Station] = st
	}
	st.Name = s.Name
	st.Days[s.Day] = s
	if s.Day >= st.Last.Day {
		st.Last = s
	}
	return nil
}

// Invalid takes a record of the invalid topic.
func (b *Board) Invalid(value []byte) error {
	var r pipeline.Rejected
	if err := json.Unmarshal(value, &r); err != nil {
		return fmt.Errorf("board: invalid row: %w", err)
	}
	b.reasons[r.Reason]++
	return nil
}

// Windows is the number of keys, each one station and day.
func (b *Board) Windows() int { return len(b.last) }

// Updates is the number of records of the processed topic.
func (b *Board) Updates() int { return b.updates }

// Stations gives the stations by code.
func (b *Board) Stations() []*Station {
	return slices.SortedFunc(maps.Values(b.stations), func(x, y *Station) int {
		if x.Code < y.Code {
			return -1
		}
		return 1
	})
}

// Reasons gives the number of rejected rows by reason, and their sum. The map belongs to the caller.
func (b *Board) Reasons() (byReason map[string]int, total int) {
	for _, n := range b.reasons {
		total += n
	}
	return maps.Clone(b.reasons), total
}

// Readings is the number of valid rows in the results.
func (b *Board) Readings() (n int64) {
	for _, s := range b.stations {
		for _, d := range s.Days {
			n += d.Readings
		}
	}
	return n
}

// Hash is the SHA-256, in hexadecimal, of the last value of every key, as lines "key<TAB>value<LF>" in order of the keys'
// bytes. Partitions, commits, caches and crashes change how many updates a key gets on the way, not this.
func (b *Board) Hash() string {
	h := sha256.New()
	for _, k := range slices.Sorted(maps.Keys(b.last)) {
		fmt.Fprintf(h, "%s\t%s\n", k, b.last[k])
	}
	return hex.EncodeToString(h.Sum(nil))
}
