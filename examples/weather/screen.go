package main

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"

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

// screen redraws the whole terminal in one write, on the alternate screen, so that what stood there before comes back.
type screen struct {
	out    *os.File
	opened bool
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
	buf.WriteString(home)
	for i, line := range frame(width, height, p, b) {
		if i > 0 {
			buf.WriteString("\r\n")
		}
		buf.WriteString(line + clearLine)
	}
	buf.WriteString(clearBelow)
	_, err = s.out.Write(buf.Bytes())
	return err
}

func (s *screen) close() error {
	if !s.opened {
		return nil
	}
	s.opened = false
	_, err := io.WriteString(s.out, mainScreen)
	return err
}

// lines prints a line for each day that every station has left behind.
type lines struct {
	out     io.Writer
	printed string // the last day printed
}

func (l *lines) show(_ progress, b *board.Board) error {
	stations := b.Stations()
	if len(stations) == 0 {
		return nil
	}
	open := stations[0].Last.Day // the first day that may still change
	for _, s := range stations {
		open = min(open, s.Last.Day)
	}
	return l.print(stations, open)
}

// print writes the days after the last one printed and before open.
func (l *lines) print(stations []*board.Station, open string) error {
	for _, day := range days(stations, l.printed, open) {
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
		if _, err := fmt.Fprintln(l.out, line); err != nil {
			return err
		}
		l.printed = day
	}
	return nil
}

func (l *lines) close() error { return nil }

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
