package api

import (
	"fmt"
	"strconv"
	"strings"
)

// A schema says what a request's body looks like, as far as is needed to walk
// it. kmsg decodes requests faithfully but trusts them: an array of a million
// one-byte elements becomes a hundred megabytes, and a count of four billion
// tagged fields keeps it busy for minutes. Check walks a body first, without
// allocating, and adds up what decoding it would cost.
type schema []field

// field is one field of a struct.
type field struct {
	kind        kind
	size        int   // of a fixed field or of the elements of fixedArray
	first, last int16 // versions that have it
	fields      schema
}

type kind byte

const (
	fixed       kind = iota
	text             // string, nullable or not
	blob             // bytes with a 32-bit length
	fixedArray       // array of fixed-size values
	textArray        // array of strings
	structArray      // array of structs
	optional         // struct after a byte that says whether it is there
)

// schemas are written in a notation of one token a field: 1, 2, 4, 8 and 16
// are fixed sizes in bytes, s is a string, b bytes, *4 and *s are arrays of
// values, [ ] encloses the fields of an array of structs and ? [ ] those of a
// nullable struct. A suffix :3+ or :0-2 limits a field to those versions.
var schemas = [...]struct {
	key  int16
	text string
}{
	{2, "4 1:2+ [ s [ 4 4:4+ 8 ] ] 4:10+"},
	{3, "[ 16:10+ s ] 1:4+ 1:8-10 1:8+"},
	{8, "s 4 s s:7+ 8:2-4 [ s:0-9 16:10+ [ 4 8 4:6+ s ] ]"},
	{9, "s:0-7 [:0-7 s *4 ] [:8+ s s:9+ 4:9+ [ s:8-9 16:10+ *4 ] ] 1:7+"},
	{10, "s:0-3 1:1+ *s:4+"},
	{11, "s 4 4:1+ s s:5+ s [ s b ] s:8+"},
	{12, "s 4 s s:3+"},
	{13, "s s:0-2 [:3+ s s s:5+ ]"},
	{14, "s 4 s s:3+ s:5+ s:5+ [ s b ]"},
	{15, "*s 1:3+"},
	{16, "*s:4+ *s:5+"},
	{18, "s:3+ s:3+ s:5+ 4:5+"},
	{19, "[ s 4 2 [ 4 *4 ] [ s s ] ] 4 1"},
	{20, "*s:0-5 [:6+ s 16 ] 4"},
	{21, "[ s [ 4 8 ] ] 4"},
	{22, "s 4 8:3+ 2:3+"},
	{23, "4:3+ [ s [ 4 4 4 ] ]"},
	{24, "s:0-3 8:0-3 2:0-3 [:0-3 s *4 ] [:4+ s 8 2 1 [ s *4 ] ]"},
	{25, "s 8 2 s"},
	{26, "s 8 2 1"},
	{27, "[ 8 2 1 [ s *4 ] 4 1:2+ ]"},
	{28, "s s 8 2 4:3+ s:3+ s:3+ [ s:0-5 16:6+ [ 4 8 4:2+ s ] ]"},
	{29, "1 s 1 s s 1 1"},
	{30, "[ 1 s 1 s s 1 1 ]"},
	{31, "[ 1 s 1 s s 1 1 ]"},
	{32, "[ 1 s *s ] 1 1:3+"},
	{33, "[ 1 s [ s s ] ] 1"},
	{35, "[ s *4 ]"},
	{37, "[ s 4 [ *4 ] ] 4 1"},
	{42, "*s"},
	{43, "1:1+ [ s *4 ] 4"},
	{44, "[ 1 s [ s 1 s ] ] 1"},
	{45, "4 1:1+ [ s [ 4 *4 ] ]"},
	{46, "4 [ s *4 ]"},
	{47, "s [ s [ 4 ] ]"},
	{48, "[ s 1 s ] 1"},
	{55, "[ s [ 4 ] ]"},
	{60, "1 1:1+ 1:2+"},
	{61, "[ s *4 ]"},
	{65, "*s"},
	{66, "*s *8 8:1+ s:2+"},
	{74, "*1:1+"},
	{75, "[ s ] 4 ?[ s 4 ]"},
}

// parseSchema reads the notation above. It panics on a mistake in it, which is
// one in this file.
func parseSchema(text string) schema {
	tokens := strings.Fields(text)
	s := parseFields(&tokens)
	if len(tokens) > 0 {
		panic("api: schema " + text)
	}
	return s
}

func parseFields(tokens *[]string) schema {
	var s schema
	for len(*tokens) > 0 {
		token := (*tokens)[0]
		*tokens = (*tokens)[1:]
		if token == "]" {
			return s
		}
		token, versions, limited := strings.Cut(token, ":")
		f := field{last: never}
		if limited {
			f.first, f.last = parseVersions(versions)
		}
		switch token {
		case "s":
			f.kind = text
		case "b":
			f.kind = blob
		case "*s":
			f.kind = textArray
		case "[":
			f.kind, f.fields = structArray, parseFields(tokens)
		case "?[":
			f.kind, f.fields = optional, parseFields(tokens)
		default:
			if strings.HasPrefix(token, "*") {
				f.kind = fixedArray
			}
			f.size = atoi(strings.TrimPrefix(token, "*"))
		}
		s = append(s, f)
	}
	return s
}

func parseVersions(v string) (first, last int16) {
	if low, ok := strings.CutSuffix(v, "+"); ok {
		return int16(atoi(low)), never
	}
	low, high, _ := strings.Cut(v, "-")
	return int16(atoi(low)), int16(atoi(high))
}

func atoi(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		panic("api: schema: " + err.Error())
	}
	return n
}

// What decoding costs beyond the bytes themselves, in bytes of memory. The
// figures are kmsg's on a 64-bit machine, rounded up.
const (
	structCost   = 16 // per element
	fieldCost    = 16 // per field of an element
	textCost     = 16 // header of an element of a string array, or its copy
	tagCost      = 64 // per unknown tagged field
	tagMapCost   = 320
	costFactor   = 16
	costFreeSize = 64 << 10
)

// Check reports whether body is a well-formed request of this version that can
// be decoded within the budget: 16 times its size, and 64 KiB.
func (s *Spec) Check(version int16, body []byte) error {
	w := walk{
		Reader: NewReader(body, s.IsFlexible(version)), version: version,
		budget: costFactor*len(body) + costFreeSize,
	}
	w.fields(s.schema)
	w.tags()
	if err := w.Err(); err != nil {
		return fmt.Errorf("%s v%d: %w", s.Key.Name(), version, err)
	}
	return nil
}

// walk is a body being checked.
type walk struct {
	Reader
	version int16
	budget  int
}

func (w *walk) pay(n int) {
	if w.budget -= n; w.budget < 0 && w.err == nil {
		w.fail("it would take more than %d times its size to decode", costFactor)
	}
}

func (w *walk) fields(s schema) {
	for i := range s {
		if f := &s[i]; w.version >= f.first && w.version <= f.last && w.err == nil {
			w.field(f)
		}
	}
}

func (w *walk) field(f *field) {
	switch f.kind {
	case fixed:
		w.take(f.size)
	case text:
		w.pay(textCost + len(w.String()))
	case blob:
		w.Bytes()
	case fixedArray:
		n := max(w.ArrayLen(f.size), 0)
		w.pay(n * f.size)
		w.take(n * f.size)
	case textArray:
		for n := w.ArrayLen(1); n > 0 && w.err == nil; n-- {
			w.pay(textCost + len(w.String()))
		}
	case structArray:
		// The shortest element decides how many there can be: one byte.
		n := w.ArrayLen(1)
		w.pay(max(n, 0) * (structCost + fieldCost*len(f.fields)))
		for ; n > 0 && w.err == nil; n-- {
			w.fields(f.fields)
			w.tags()
		}
	case optional:
		if w.Int8() >= 0 && w.err == nil {
			w.fields(f.fields)
			w.tags()
		}
	}
}

// tags skips the tagged fields that end a struct. The requests that Check is
// for have no known ones.
func (w *walk) tags() {
	if !w.flexible || w.err != nil {
		return
	}
	n := w.uvarint()
	if n == 0 {
		return
	}
	w.pay(tagMapCost)
	for ; n > 0 && w.err == nil; n-- {
		w.pay(tagCost)
		w.uvarint()
		w.span(int64(w.uvarint()))
	}
}
