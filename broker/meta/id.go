package meta

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
)

// ID is a topic's identity. It outlives nothing: a topic that is deleted and
// created again under the same name has another one.
type ID [16]byte

// NewID returns a random id that is neither zero nor one of the small ids that
// Kafka reserves.
func NewID() ID {
	for {
		var id ID
		_, _ = rand.Read(id[:]) // never fails
		if id[0]|id[1]|id[2]|id[3]|id[4]|id[5]|id[6]|id[7] != 0 && id.String()[0] != '-' {
			return id
		}
	}
}

// String returns Kafka's form of an id: base64 for URLs, without padding.
func (id ID) String() string { return base64.RawURLEncoding.EncodeToString(id[:]) }

// IsZero reports the id that stands for none.
func (id ID) IsZero() bool { return id == ID{} }

// MarshalText implements encoding.TextMarshaler.
func (id ID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (id *ID) UnmarshalText(text []byte) error {
	b, err := base64.RawURLEncoding.DecodeString(string(text))
	if err != nil || len(b) != len(id) {
		return fmt.Errorf("meta: %q is not a topic id", text)
	}
	copy(id[:], b)
	return nil
}
