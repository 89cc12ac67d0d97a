package main

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/term"

	"github.com/thalweg/thalweg/examples/weather/board"
)

// display shows the board as it grows.
type display interface {
	show(p progress, b *board.Board) error
	close() error
}

// newDisplay is a live view where out is a terminal, lines otherwise.
func newDisplay(out *os.File) display {
	if term.IsTerminal(int(out.Fd())) && os.Getenv("TERM") != "dumb" {
		return &screen{out: out}
	}
	return &lines{out: out}
}

// screen redraws the whole terminal in one write, on the alternate screen, so that what stood there before comes back. The
// last picture stays.
type screen struct {
	out    *os.File
	opened bool
	last   []string
}

func (s *screen) show(p progress, b *board.Board) error {
	width, height, err := term.GetSize(int(s.out.Fd()))
	if err != nil || width == 0 || height == 0 {
		width, height = 80, 24
	}
	var buf bytes.Buffer
	if !s.opened {
		s.opened = true
		buf.WriteString(altScreen)
	}
	s.last = frame(width, height, p, b)
	buf.WriteString(home + strings.Join(s.last, clearLine+"\r\n") + clearLine + clearBelow)
	_, err = s.out.Write(buf.Bytes())
	return err
}

func (s *screen) close() error {
	if !s.opened {
		return nil
	}
	s.opened = false
	_, err := io.WriteString(s.out, mainScreen+strings.Join(s.last, "\n")+"\n")
	return err
}

// lines prints a line for each day.
type lines struct {
	out     io.Writer
	printed string // the last day printed
	known   int    // stations at the last call
	steady  int    // calls since their number changed
}

// settled is after how many calls without a new station all of them are taken to be known.
const settled = 5

// show prints the days that no station is expected to change any more: those three days behind the slowest station. A
// station's days lie in different partitions, whose commits become visible one after the other.
func (l *lines) show(p progress, b *board.Board) error {
	stations := b.Stations()
	if len(stations) == 0 {
		return nil
	}
	if l.steady++; len(stations) != l.known {
		l.known, l.steady = len(stations), 0
	}
	before := "9999"
	if !p.Over {
		if l.steady < settled {
			return nil
		}
		for _, s := range stations {
			before = min(before, s.Last.Day)
		}
		slowest, err := time.Parse(time.DateOnly, before)
		if err != nil {
			return err
		}
		before = slowest.AddDate(0, 0, -3).Format(time.DateOnly)
	}
	for _, day := range days(stations, l.printed, before) {
		if _, err := fmt.Fprintln(l.out, dayLine(day, stations)); err != nil {
			return err
		}
		l.printed = day
	}
	return nil
}

func (l *lines) close() error { return nil }

// dayLine is the day's weather at the first three stations.
func dayLine(day string, stations []*board.Station) string {
	line := day
	for _, s := range stations[:min(3, len(stations))] {
		d, ok := s.Days[day]
		if !ok {
			line += fmt.Sprintf("  %s %-29s", s.Code, "-")
			continue
		}
		line += fmt.Sprintf("  %s %5.1f °C %5.1f mm %5.1f m/s", s.Code, d.MeanC, d.RainMM, d.GustMS)
	}
	if more := len(stations) - 3; more > 0 {
		line += fmt.Sprintf("  and %d more", more)
	}
	return line
}

// days lists the days of the stations after one day and before another, in order.
func days(stations []*board.Station, after, before string) []string {
	set := map[string]bool{}
	for _, s := range stations {
		for d := range s.Days {
			if d > after && d < before {
				set[d] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(set))
}
