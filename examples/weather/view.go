package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/thalweg/thalweg/examples/weather/board"
	"github.com/thalweg/thalweg/examples/weather/pipeline"
)

// progress is what the live view shows beside the board.
type progress struct {
	Engine string
	Rows   int64   // processed so far
	Total  int64   // to process; 0 where nobody knows
	PerSec float64 // rows processed per second, lately
	Over   bool    // nothing will change any more

	samples []sample
}

type sample struct {
	at   time.Duration
	rows int64
}

// update takes the number of rows processed at a moment. The rate is that of the last two seconds.
func (p *progress) update(rows int64, at time.Duration) {
	p.Rows = rows
	p.samples = append(p.samples, sample{at, rows})
	for len(p.samples) > 2 && at-p.samples[1].at >= 2*time.Second {
		p.samples = p.samples[1:]
	}
	if first := p.samples[0]; at > first.at {
		p.PerSec = float64(rows-first.rows) / (at - first.at).Seconds()
	}
}

// frame draws the view as at most height lines of at most width columns. It is a pure function of its arguments.
func frame(width, height int, p progress, b *board.Board) []string {
	width = max(min(width, 120), 40)
	lines := []string{
		pad(bold("thalweg weather")+"  raw → processed, exactly once", "state: "+p.Engine, width),
		statusLine(p, b, width),
	}
	stations := b.Stations()
	const least, tail = 5, 2 // lines of a station: a gap, its figures, a chart of three rows; and of the closing lines
	shown := min(len(stations), max((height-len(lines)-tail)/least, 1))
	rows := min((height-len(lines)-tail)/max(shown, 1)-2, 8)
	for _, s := range stations[:shown] {
		lines = append(lines, "")
		lines = append(lines, station(s, width, max(rows, 1))...)
	}
	if rest := len(stations) - shown; rest > 0 {
		lines = append(lines, fmt.Sprintf("… and %d stations more", rest))
	}
	if len(stations) == 0 {
		lines = append(lines, "", "waiting for the first results")
	}
	lines = append(lines, "", reasonLine(b))
	if len(lines) > height {
		lines = lines[:height]
	}
	for i := range lines {
		lines[i] = clip(lines[i], width)
	}
	return lines
}

func statusLine(p progress, b *board.Board, width int) string {
	right := fmt.Sprintf("%s rows/s  %s windows", thousands(int64(p.PerSec)), thousands(int64(b.Windows())))
	if p.Total == 0 {
		return pad(thousands(p.Rows)+" rows", right, width)
	}
	share := min(float64(p.Rows)/float64(p.Total), 1)
	const bar = 20
	full := int(share*bar + 0.5)
	left := fmt.Sprintf("%s%s %3.0f %%  %s of %s rows", strings.Repeat("━", full), dim(strings.Repeat("─", bar-full)),
		share*100, thousands(p.Rows), thousands(p.Total))
	return pad(left, right, width)
}

func reasonLine(b *board.Board) string {
	reasons, total := b.Reasons()
	return fmt.Sprintf("rejected %d%s", total, reasonList(reasons))
}

// reasonList is " (a=1 b=2)" in order of the names, or nothing.
func reasonList(reasons map[string]int) string {
	var parts []string
	for _, k := range slices.Sorted(maps.Keys(reasons)) {
		parts = append(parts, fmt.Sprintf("%s=%d", k, reasons[k]))
	}
	if len(parts) == 0 {
		return ""
	}
	return " (" + strings.Join(parts, " ") + ")"
}

// station is one line of figures over a chart of the daily means.
func station(s *board.Station, width, rows int) []string {
	d := s.Last
	head := pad(fmt.Sprintf("%s %s", bold(s.Code), s.Name),
		fmt.Sprintf("%s %5.1f °C %5.1f…%-5.1f %5.1f mm %4.1f m/s", d.Day, d.MeanC, d.MinC, d.MaxC, d.RainMM, d.GustMS), width)
	return append([]string{head}, chart(s.Days, width-8, rows)...)
}

// chart draws the mean temperature from January to December, as many columns as there are days or as fit.
func chart(days map[string]pipeline.Summary, columns, rows int) []string {
	if len(days) == 0 || columns < 1 {
		return nil
	}
	var first string
	for d := range days {
		if first == "" || d < first {
			first = d
		}
	}
	start, err := time.Parse(time.DateOnly, first)
	if err != nil {
		return nil
	}
	const year = 366
	columns = min(columns, year)
	sum, count := make([]float64, columns), make([]int, columns)
	for _, d := range days {
		at, err := time.Parse(time.DateOnly, d.Day)
		if err != nil {
			continue
		}
		if c := int(at.Sub(start).Hours()/24) * columns / year; c >= 0 && c < columns {
			sum[c] += d.MeanC
			count[c]++
		}
	}
	const low, high = -12.0, 33.0 // °C; fixed, so that columns do not move while the year goes by
	blocks := []rune(" ▁▂▃▄▅▆▇█")
	lines := make([]string, rows)
	for r := range rows {
		var line strings.Builder
		label := "      "
		switch r {
		case 0:
			label = fmt.Sprintf("%4.0f° ", high)
		case rows - 1:
			label = fmt.Sprintf("%4.0f° ", low)
		}
		line.WriteString(dim(label))
		last := ""
		for c := range columns {
			if count[c] == 0 {
				line.WriteByte(' ')
				continue
			}
			mean := sum[c] / float64(count[c])
			eighths := int((mean-low)/(high-low)*float64(rows*8)+0.5) - (rows-1-r)*8
			if code := colour(mean); code != last {
				line.WriteString(code)
				last = code
			}
			line.WriteRune(blocks[max(0, min(8, eighths))])
		}
		line.WriteString(reset)
		lines[r] = line.String()
	}
	return lines
}

// The few escape sequences a terminal needs.
const (
	reset      = "\x1b[0m"
	clearLine  = "\x1b[K"
	clearBelow = "\x1b[J"
	home       = "\x1b[H"
	altScreen  = "\x1b[?1049h\x1b[?25l"
	mainScreen = "\x1b[?25h\x1b[?1049l"
)

func bold(s string) string { return "\x1b[1m" + s + reset }
func dim(s string) string  { return "\x1b[2m" + s + reset }

// colour is the escape sequence of a temperature, from blue over green to red.
func colour(c float64) string {
	steps := []int{27, 33, 39, 45, 50, 48, 46, 118, 190, 220, 208, 196}
	i := int((c + 12) / 45 * float64(len(steps)))
	return fmt.Sprintf("\x1b[38;5;%dm", steps[max(0, min(len(steps)-1, i))])
}

// pad puts right at the end of a line of width columns.
func pad(left, right string, width int) string {
	gap := width - columnsOf(left) - columnsOf(right)
	if gap < 2 { // the left part gives way
		left = clip(left, max(width-columnsOf(right)-2, 0))
		gap = max(width-columnsOf(left)-columnsOf(right), 0)
	}
	return left + strings.Repeat(" ", gap) + right
}

// columnsOf counts what s takes on the screen: runes, without escape sequences.
func columnsOf(s string) int {
	n := 0
	for len(s) > 0 {
		if rest, ok := skipEscape(s); ok {
			s = rest
			continue
		}
		_, size := utf8.DecodeRuneInString(s)
		s = s[size:]
		n++
	}
	return n
}

// clip shortens s to width columns and keeps its escape sequences.
func clip(s string, width int) string {
	if columnsOf(s) <= width {
		return s
	}
	var out strings.Builder
	for n := 0; len(s) > 0; {
		if rest, ok := skipEscape(s); ok {
			out.WriteString(s[:len(s)-len(rest)])
			s = rest
			continue
		}
		r, size := utf8.DecodeRuneInString(s)
		s = s[size:]
		if n < width {
			out.WriteRune(r)
		}
		n++
	}
	return out.String()
}

func skipEscape(s string) (rest string, ok bool) {
	if !strings.HasPrefix(s, "\x1b[") {
		return s, false
	}
	i := strings.IndexFunc(s[2:], func(r rune) bool { return r >= '@' && r <= '~' })
	if i < 0 {
		return "", true
	}
	return s[2+i+1:], true
}

// thousands is n with a comma between groups of three digits.
func thousands(n int64) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
