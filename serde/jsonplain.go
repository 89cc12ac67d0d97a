package serde

import (
	"reflect"
	"strconv"
	"strings"
	"unsafe"
)

// plain is how JSON writes and reads a struct whose fields are all strings,
// numbers and booleans, as most records are: straight from and to their memory,
// in a third of the time that reflection takes.
//
// It knows the usual form of such an object only, without white space, escapes,
// exponents, nulls or unknown names, and gives up on anything else, which
// encoding/json/v2 then does, errors included. What it does do comes out as there,
// byte for byte and bit for bit.
type plain struct{ fields []plainField }

type plainField struct {
	label  string // "name":
	kind   reflect.Kind
	offset uintptr
}

// plainOf returns the plan of a type, nil when it is not of that kind.
func plainOf(t reflect.Type) *plain {
	if t.Kind() != reflect.Struct || t.NumField() > 64 || hasOwnForm(t) {
		return nil
	}
	p := &plain{}
	names := map[string]bool{}
	for f := range t.Fields() {
		name, tagged := f.Tag.Lookup("json")
		if !tagged {
			name = f.Name
		}
		if !f.IsExported() || f.Anonymous || f.Type.PkgPath() != "" || !isPlain(f.Type.Kind()) || !isName(name) || names[name] {
			return nil
		}
		names[name] = true
		p.fields = append(p.fields, plainField{`"` + name + `":`, f.Type.Kind(), f.Offset})
	}
	return p
}

// hasOwnForm reports whether a type has any of the methods by which it could
// determine its JSON.
func hasOwnForm(t reflect.Type) bool {
	for m := range reflect.PointerTo(t).Methods() {
		if strings.HasPrefix(m.Name, "Marshal") || strings.HasPrefix(m.Name, "Unmarshal") || m.Name == "AppendText" {
			return true
		}
	}
	return false
}

func isPlain(k reflect.Kind) bool {
	return k == reflect.String || k >= reflect.Bool && k <= reflect.Uint64 || k == reflect.Float32 || k == reflect.Float64
}

// isName reports whether the content of a tag is a plain name, without options.
func isName(s string) bool {
	for i := range len(s) {
		if c := s[i] | 0x20; (c < 'a' || c > 'z') && s[i] != '_' && (i == 0 || s[i] < '0' || s[i] > '9') {
			return false
		}
	}
	return s != ""
}

// append appends the object at v. ok is false when it gives up.
func (p *plain) append(dst []byte, v unsafe.Pointer) (out []byte, ok bool) {
	dst = append(dst, '{')
	for i := range p.fields {
		f := &p.fields[i]
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, f.label...)
		at := unsafe.Add(v, f.offset)
		switch f.kind {
		case reflect.String:
			s := *(*string)(at)
			if !isSimple(s) {
				return nil, false
			}
			dst = append(append(append(dst, '"'), s...), '"')
		case reflect.Float64:
			if dst, ok = appendFloat(dst, *(*float64)(at)); !ok {
				return nil, false
			}
		case reflect.Float32:
			f := *(*float32)(at)
			if abs := max(f, -f); f != 0 && !(abs >= 1e-6 && abs < 1e21) {
				return nil, false
			}
			dst = strconv.AppendFloat(dst, float64(f), 'f', -1, 32)
		case reflect.Bool:
			dst = strconv.AppendBool(dst, *(*bool)(at))
		case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
			dst = strconv.AppendUint(dst, loadUint(at, f.kind), 10)
		default:
			dst = strconv.AppendInt(dst, loadInt(at, f.kind), 10)
		}
	}
	return append(dst, '}'), true
}

// isSimple reports whether a string stands in JSON as it is.
func isSimple(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}

// decode reads an object into the zero value at v, and makes its strings by
// text. It reports whether it could; if not, v holds anything.
func (p *plain) decode(src []byte, v unsafe.Pointer, text func([]byte) string) bool {
	if len(src) < 2 || src[0] != '{' {
		return false
	}
	if src[1] == '}' {
		return len(src) == 2
	}
	var seen uint64
	for at, next := 1, 0; ; next++ {
		i := p.find(src[at:], next)
		if i < 0 || seen>>i&1 != 0 {
			return false
		}
		seen |= 1 << i
		next = i
		f := &p.fields[i]
		at += len(f.label)
		n := f.decode(src[at:], unsafe.Add(v, f.offset), text)
		if at += n; n == 0 || at == len(src) {
			return false
		}
		switch src[at] {
		case ',':
			at++
		case '}':
			return at+1 == len(src)
		default:
			return false
		}
	}
}

// find returns the field whose label src begins with, most likely next; -1 when
// there is none.
func (p *plain) find(src []byte, next int) int {
	if next < len(p.fields) && p.fields[next].labels(src) {
		return next
	}
	for i := range p.fields {
		if p.fields[i].labels(src) {
			return i
		}
	}
	return -1
}

func (f *plainField) labels(src []byte) bool {
	return len(src) >= len(f.label) && string(src[:len(f.label)]) == f.label
}

// decode reads the value that src begins with and returns its length; 0 when it
// gives up.
func (f *plainField) decode(src []byte, at unsafe.Pointer, text func([]byte) string) int {
	switch f.kind {
	case reflect.String:
		n := simpleString(src)
		if n > 0 {
			*(*string)(at) = text(src[1 : n-1])
		}
		return n
	case reflect.Bool:
		if len(src) >= 4 && string(src[:4]) == "true" {
			*(*bool)(at) = true
			return 4
		}
		if len(src) >= 5 && string(src[:5]) == "false" {
			return 5
		}
		return 0
	}
	d, n := scanDecimal(src)
	if n == 0 {
		return 0
	}
	ok := false
	switch f.kind {
	case reflect.Float64:
		if d.digits <= 15 {
			*(*float64)(at) = d.float()
			return n
		}
		*(*float64)(at), ok = parseFloat(src[:n], 64)
	case reflect.Float32:
		var f float64
		f, ok = parseFloat(src[:n], 32)
		*(*float32)(at) = float32(f)
	default:
		ok = d.fraction == 0 && d.digits <= 18 && (d.mantissa != 0 || !d.negative) && store(at, f.kind, d)
	}
	if !ok {
		return 0
	}
	return n
}

// simpleString returns the length of a string that stands for itself, quotes
// included.
func simpleString(src []byte) int {
	if len(src) == 0 || src[0] != '"' {
		return 0
	}
	for i := 1; i < len(src); i++ {
		switch c := src[i]; {
		case c == '"':
			return i + 1
		case c < ' ' || c > '~' || c == '\\':
			return 0
		}
	}
	return 0
}

// store writes an integer, if it fits.
func store(at unsafe.Pointer, k reflect.Kind, d decimal) bool {
	n := int64(d.mantissa)
	if d.negative {
		n = -n
	}
	switch k {
	case reflect.Int:
		*(*int)(at) = int(n)
		return int64(int(n)) == n
	case reflect.Int8:
		*(*int8)(at) = int8(n)
		return int64(int8(n)) == n
	case reflect.Int16:
		*(*int16)(at) = int16(n)
		return int64(int16(n)) == n
	case reflect.Int32:
		*(*int32)(at) = int32(n)
		return int64(int32(n)) == n
	case reflect.Int64:
		*(*int64)(at) = n
		return true
	case reflect.Uint:
		*(*uint)(at) = uint(n)
		return n >= 0 && uint64(uint(n)) == uint64(n)
	case reflect.Uint8:
		*(*uint8)(at) = uint8(n)
		return int64(uint8(n)) == n
	case reflect.Uint16:
		*(*uint16)(at) = uint16(n)
		return int64(uint16(n)) == n
	case reflect.Uint32:
		*(*uint32)(at) = uint32(n)
		return int64(uint32(n)) == n
	case reflect.Uint64:
		*(*uint64)(at) = uint64(n)
		return n >= 0
	}
	return false
}

func loadInt(at unsafe.Pointer, k reflect.Kind) int64 {
	switch k {
	case reflect.Int:
		return int64(*(*int)(at))
	case reflect.Int8:
		return int64(*(*int8)(at))
	case reflect.Int16:
		return int64(*(*int16)(at))
	case reflect.Int32:
		return int64(*(*int32)(at))
	}
	return *(*int64)(at)
}

func loadUint(at unsafe.Pointer, k reflect.Kind) uint64 {
	switch k {
	case reflect.Uint:
		return uint64(*(*uint)(at))
	case reflect.Uint8:
		return uint64(*(*uint8)(at))
	case reflect.Uint16:
		return uint64(*(*uint16)(at))
	case reflect.Uint32:
		return uint64(*(*uint32)(at))
	}
	return *(*uint64)(at)
}
