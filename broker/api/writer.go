package api

import "encoding/binary"

// The append functions are the encoding half of Reader, for the responses that
// do not go through kmsg.

func appendInt16(b []byte, v int16) []byte { return binary.BigEndian.AppendUint16(b, uint16(v)) }
func appendInt32(b []byte, v int32) []byte { return binary.BigEndian.AppendUint32(b, uint32(v)) }
func appendInt64(b []byte, v int64) []byte { return binary.BigEndian.AppendUint64(b, uint64(v)) }

func appendUvarint(b []byte, v int) []byte { return binary.AppendUvarint(b, uint64(v)) }

func appendArrayLen(b []byte, n int, flexible bool) []byte {
	if flexible {
		return appendUvarint(b, n+1)
	}
	return appendInt32(b, int32(n))
}

func appendString(b, s []byte, flexible bool) []byte {
	if flexible {
		b = appendUvarint(b, len(s)+1)
	} else {
		b = appendInt16(b, int16(len(s)))
	}
	return append(b, s...)
}

// appendNullableString writes the empty string as null: the fields it is used
// for are messages, where the two mean the same.
func appendNullableString(b []byte, s string, flexible bool) []byte {
	switch {
	case s == "" && flexible:
		return append(b, 0)
	case s == "":
		return appendInt16(b, -1)
	case flexible:
		b = appendUvarint(b, len(s)+1)
	default:
		b = appendInt16(b, int16(len(s)))
	}
	return append(b, s...)
}

// AppendResponseHeader starts a response frame in b, whose length FinishFrame
// fills in. ApiVersions responses never have a flexible header, or a client
// that does not know the broker's versions yet could not read them.
func AppendResponseHeader(b []byte, correlationID int32, flexible bool) []byte {
	b = append(b, 0, 0, 0, 0)
	b = appendInt32(b, correlationID)
	if flexible {
		b = append(b, 0)
	}
	return b
}

// FinishFrame writes the length prefix of the frame that starts b. extra is the
// number of bytes of the frame that are sent after b.
func FinishFrame(b []byte, extra int) {
	binary.BigEndian.PutUint32(b, uint32(len(b)-4+extra))
}
