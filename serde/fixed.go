package serde

import (
	"encoding/binary"
	"fmt"
	"math"
	"time"
	"uuid"
)

// Serdes of types with a fixed number of bytes, big endian as in Kafka. The
// order of the encoded bytes is the order of the values for non-negative ones.
var (
	Int16   Serde[int16]   = int16Serde{}
	Int32   Serde[int32]   = int32Serde{}
	Int64   Serde[int64]   = int64Serde{}
	Float32 Serde[float32] = float32Serde{}
	Float64 Serde[float64] = float64Serde{}
	// Bool is one byte, 0 or 1.
	Bool Serde[bool] = boolSerde{}
	// UUID is the 36 characters of the lower-case text form, as in Kafka.
	UUID Serde[uuid.UUID] = uuidSerde{}
	// Time is the milliseconds since the Unix epoch as an [Int64], the form
	// record timestamps have. It drops what is finer than a millisecond and the
	// location: decoded times are in UTC.
	Time Serde[time.Time] = timeSerde{}
)

// fixedSizer is implemented by those serdes that Kafka's list serde writes
// without lengths.
type fixedSizer interface{ fixedSize() int }

type (
	int16Serde   struct{}
	int32Serde   struct{}
	int64Serde   struct{}
	float32Serde struct{}
	float64Serde struct{}
	boolSerde    struct{}
	uuidSerde    struct{}
	timeSerde    struct{}
)

func (int16Serde) fixedSize() int   { return 2 }
func (int32Serde) fixedSize() int   { return 4 }
func (int64Serde) fixedSize() int   { return 8 }
func (float32Serde) fixedSize() int { return 4 }
func (float64Serde) fixedSize() int { return 8 }
func (uuidSerde) fixedSize() int    { return 36 }

// wrongSize is apart from its callers so that they are inlined.
func wrongSize(what string, got, want int) error {
	return fmt.Errorf("serde: %s: %w: %d bytes, want %d", what, ErrMalformed, got, want)
}

func (int16Serde) Append(dst []byte, v int16) ([]byte, error) {
	return binary.BigEndian.AppendUint16(dst, uint16(v)), nil
}

func (int16Serde) Decode(src []byte, v *int16) error {
	if len(src) != 2 {
		return wrongSize("int16", len(src), 2)
	}
	*v = int16(binary.BigEndian.Uint16(src))
	return nil
}

func (int32Serde) Append(dst []byte, v int32) ([]byte, error) {
	return binary.BigEndian.AppendUint32(dst, uint32(v)), nil
}

func (int32Serde) Decode(src []byte, v *int32) error {
	if len(src) != 4 {
		return wrongSize("int32", len(src), 4)
	}
	*v = int32(binary.BigEndian.Uint32(src))
	return nil
}

func (int64Serde) Append(dst []byte, v int64) ([]byte, error) {
	return binary.BigEndian.AppendUint64(dst, uint64(v)), nil
}

func (int64Serde) Decode(src []byte, v *int64) error {
	if len(src) != 8 {
		return wrongSize("int64", len(src), 8)
	}
	*v = int64(binary.BigEndian.Uint64(src))
	return nil
}

func (float32Serde) Append(dst []byte, v float32) ([]byte, error) {
	return binary.BigEndian.AppendUint32(dst, math.Float32bits(v)), nil
}

func (float32Serde) Decode(src []byte, v *float32) error {
	if len(src) != 4 {
		return wrongSize("float32", len(src), 4)
	}
	*v = math.Float32frombits(binary.BigEndian.Uint32(src))
	return nil
}

func (float64Serde) Append(dst []byte, v float64) ([]byte, error) {
	return binary.BigEndian.AppendUint64(dst, math.Float64bits(v)), nil
}

func (float64Serde) Decode(src []byte, v *float64) error {
	if len(src) != 8 {
		return wrongSize("float64", len(src), 8)
	}
	*v = math.Float64frombits(binary.BigEndian.Uint64(src))
	return nil
}

func (boolSerde) Append(dst []byte, v bool) ([]byte, error) {
	if v {
		return append(dst, 1), nil
	}
	return append(dst, 0), nil
}

func (boolSerde) Decode(src []byte, v *bool) error {
	if len(src) != 1 {
		return wrongSize("bool", len(src), 1)
	}
	if src[0] > 1 {
		return fmt.Errorf("serde: bool: %w: byte %#x, want 0 or 1", ErrMalformed, src[0])
	}
	*v = src[0] == 1
	return nil
}

func (uuidSerde) Append(dst []byte, v uuid.UUID) ([]byte, error) { return v.AppendText(dst) }

func (uuidSerde) Decode(src []byte, v *uuid.UUID) error {
	// The length is checked here because the parser takes other forms too,
	// which would not come out as the bytes that went in.
	if len(src) != 36 {
		return wrongSize("uuid", len(src), 36)
	}
	if err := v.UnmarshalText(src); err != nil {
		return fmt.Errorf("serde: uuid: %w: %w", ErrMalformed, err)
	}
	return nil
}

func (timeSerde) Append(dst []byte, v time.Time) ([]byte, error) {
	return binary.BigEndian.AppendUint64(dst, uint64(v.UnixMilli())), nil
}

func (timeSerde) Decode(src []byte, v *time.Time) error {
	if len(src) != 8 {
		return wrongSize("time", len(src), 8)
	}
	*v = time.UnixMilli(int64(binary.BigEndian.Uint64(src))).UTC()
	return nil
}
