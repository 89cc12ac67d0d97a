package golden

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
)

// The types of the recordings: string, long, hex, session-windowed-string and
// time-windowed-string(size=n).

// encode gives the bytes of a datum, nil for null.
func encode(d Datum) ([]byte, error) {
	switch v := d.V.(type) {
	case nil:
		return nil, nil
	case string:
		return append([]byte{}, v...), nil
	case int64:
		return binary.BigEndian.AppendUint64(nil, uint64(v)), nil
	case Hex:
		return append([]byte{}, v...), nil
	}
	return nil, fmt.Errorf("golden: cannot encode a %T", d.V)
}

// decode reads bytes of a type; bytes that do not fit it come back as Hex.
func decode(typ string, b []byte) Datum {
	if b == nil {
		return Datum{}
	}
	switch {
	case typ == "string":
		return Datum{string(b)}
	case typ == "long" && len(b) == 8:
		return Datum{int64(binary.BigEndian.Uint64(b))}
	case typ == "session-windowed-string" && len(b) >= 16:
		n := len(b) - 16
		end := int64(binary.BigEndian.Uint64(b[n:]))
		return Datum{WindowKey{string(b[:n]), int64(binary.BigEndian.Uint64(b[n+8:])), end}}
	case strings.HasPrefix(typ, "time-windowed-string(size=") && len(b) >= 8:
		size, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimPrefix(typ, "time-windowed-string(size="), ")"), 10, 64)
		if err != nil {
			return Datum{Hex(b)}
		}
		n := len(b) - 8
		start := int64(binary.BigEndian.Uint64(b[n:]))
		return Datum{WindowKey{string(b[:n]), start, start + size}}
	}
	return Datum{Hex(b)}
}

// String writes a datum so that equal texts are equal data.
func (d Datum) String() string {
	switch v := d.V.(type) {
	case nil:
		return "null"
	case string:
		return strconv.Quote(v)
	case int64:
		return strconv.FormatInt(v, 10)
	case Hex:
		return "0x" + hex.EncodeToString(v)
	case WindowKey:
		return fmt.Sprintf("%q@%d-%d", v.Key, v.Start, v.End)
	}
	return fmt.Sprintf("%T", d.V)
}

// String writes an output as one line.
func (o Output) String() string {
	return fmt.Sprintf("step %d %s %v=%v @%d%s", o.Step, o.Topic, o.Key, o.Value, o.TS, headerText(o.Headers))
}

func headerText(hs []Header) string {
	var b strings.Builder
	for _, h := range hs {
		switch {
		case maskedHeader(h.Name):
			fmt.Fprintf(&b, " %s:*", h.Name)
		case h.Value == nil:
			fmt.Fprintf(&b, " %s:null", h.Name)
		default:
			fmt.Fprintf(&b, " %s:%q", h.Name, *h.Value)
		}
	}
	return b.String()
}

// String writes a store entry as one line.
func (e Entry) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%v", e.Key)
	if e.Start != nil {
		fmt.Fprintf(&b, " start=%d", *e.Start)
	}
	if e.End != nil {
		fmt.Fprintf(&b, " end=%d", *e.End)
	}
	if e.AsOf != nil {
		fmt.Fprintf(&b, " asOf=%s", e.AsOf)
	}
	fmt.Fprintf(&b, " %v", e.Value)
	if e.TS != nil {
		fmt.Fprintf(&b, " ts=%d", *e.TS)
	}
	return b.String() + headerText(e.Headers)
}
