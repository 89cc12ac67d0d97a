package serde

import (
	"math"
	"strconv"
	"unsafe"
)

// appendFloat writes the shortest decimal that is read as f again. Of up to
// fifteen digits there is but one: what is found as a multiple of a thousandth
// needs no search.
func appendFloat(dst []byte, f float64) (out []byte, ok bool) {
	if thousand := f * 1000; thousand > -1e15 && thousand < 1e15 {
		n := int64(math.Round(thousand))
		if float64(n)/1000 == f && n != 0 {
			return appendThousandths(dst, n), true
		}
	}
	if abs := math.Abs(f); f != 0 && !(abs >= 1e-6 && abs < 1e21) {
		return nil, false
	}
	return strconv.AppendFloat(dst, f, 'f', -1, 64), true
}

func appendThousandths(dst []byte, n int64) []byte {
	if n < 0 {
		dst, n = append(dst, '-'), -n
	}
	dst = strconv.AppendInt(dst, n/1000, 10)
	if n %= 1000; n == 0 {
		return dst
	}
	dst = append(dst, '.', byte('0'+n/100), byte('0'+n/10%10), byte('0'+n%10))
	for dst[len(dst)-1] == '0' {
		dst = dst[:len(dst)-1]
	}
	return dst
}

// decimal is a number without an exponent: mantissa / 10^fraction, exactly where
// it has no more digits than 18.
type decimal struct {
	negative         bool
	mantissa         uint64
	digits, fraction int
}

// scanDecimal reads the number that src begins with, and its length; 0 when it
// is none or has an exponent.
func scanDecimal(src []byte) (d decimal, n int) {
	if n < len(src) && src[n] == '-' {
		d.negative = true
		n++
	}
	first := n
	for ; n < len(src) && src[n]-'0' <= 9; n++ {
		d.mantissa = d.mantissa*10 + uint64(src[n]-'0')
	}
	d.digits = n - first
	if d.digits == 0 || d.digits > 1 && src[first] == '0' {
		return d, 0
	}
	if n < len(src) && src[n] == '.' {
		n++
		point := n
		for ; n < len(src) && src[n]-'0' <= 9; n++ {
			d.mantissa = d.mantissa*10 + uint64(src[n]-'0')
		}
		if d.fraction = n - point; d.fraction == 0 {
			return d, 0
		}
		d.digits += d.fraction
	}
	if n < len(src) && src[n]|0x20 == 'e' {
		return d, 0
	}
	return d, n
}

var powersOfTen = [...]float64{1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15}

// float is d as a number. With up to fifteen digits both operands are exact, so
// that the quotient is rounded once, as it must be.
func (d decimal) float() float64 {
	f := float64(d.mantissa) / powersOfTen[d.fraction]
	if d.negative {
		f = -f
	}
	return f
}

func parseFloat(src []byte, bits int) (float64, bool) {
	f, err := strconv.ParseFloat(unsafe.String(unsafe.SliceData(src), len(src)), bits)
	return f, err == nil
}
