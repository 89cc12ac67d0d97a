package dsl

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"github.com/thalweg/thalweg/serde"
)

// instruction is what a subscription asks of the other side of a foreign-key
// join.
type instruction byte

const (
	deleteSilently instruction = iota // forget the subscription
	deleteAndReply                    // forget it, and answer that there is no row
	replyAlways                       // remember it, and answer even without a row
	replyIfPresent                    // remember it, and answer if there is a row
	replyIfAbsent                     // answer if there is no row; Kafka Streams has no such instruction
)

// rowHash recognises the left value that a subscription and its response belong
// to; absent when the value was deleted.
type rowHash struct {
	sum [16]byte
	ok  bool
}

// subscription is a row's interest in another table's row, as it goes through
// the registration topic, in the bytes of Kafka Streams:
//
//	version 1 | instruction | hash | primary key | int32 partition of the row
//
// The high bit of the version says that there is no hash.
type subscription struct {
	hash      rowHash
	what      instruction
	key       []byte // the row's primary key
	partition int32  // -1: not known
}

const noHash = 0x80

type subscriptionSerde struct{}

func (subscriptionSerde) Append(dst []byte, s subscription) ([]byte, error) {
	dst = appendHash(dst, 1, s.hash, byte(s.what))
	dst = append(dst, s.key...)
	return binary.BigEndian.AppendUint32(dst, uint32(s.partition)), nil
}

// appendHash writes version, anything that stands between it and the hash, and
// the hash.
func appendHash(dst []byte, version byte, h rowHash, between ...byte) []byte {
	if !h.ok {
		return append(append(dst, version|noHash), between...)
	}
	return append(append(append(dst, version), between...), h.sum[:]...)
}

func (subscriptionSerde) Decode(src []byte, s *subscription) error {
	*s = subscription{partition: -1}
	if len(src) < 2 {
		return fmt.Errorf("dsl: subscription: %w: %d bytes", serde.ErrMalformed, len(src))
	}
	version := src[0] &^ noHash
	s.what = instruction(src[1])
	if version > 1 || s.what > replyIfAbsent {
		return fmt.Errorf("dsl: subscription: %w: version %d, instruction %d", serde.ErrMalformed, version, s.what)
	}
	rest, err := takeHash(src[2:], src[0], &s.hash)
	if err != nil {
		return err
	}
	if version == 1 {
		n := len(rest) - 4
		if n < 0 {
			return fmt.Errorf("dsl: subscription: %w: no partition", serde.ErrMalformed)
		}
		s.partition = int32(binary.BigEndian.Uint32(rest[n:]))
		rest = rest[:n]
	}
	s.key = bytes.Clone(rest)
	return nil
}

func takeHash(src []byte, version byte, h *rowHash) ([]byte, error) {
	if version&noHash != 0 {
		return src, nil
	}
	if len(src) < len(h.sum) {
		return nil, fmt.Errorf("dsl: row hash: %w: %d bytes", serde.ErrMalformed, len(src))
	}
	h.ok = true
	return src[copy(h.sum[:], src):], nil
}

// response is the answer to a subscription, through the response topic:
//
//	version 0 | hash | the other table's value, or nothing
type response struct {
	hash      rowHash
	value     []byte // nil: there is no row
	partition int32  // where it goes; not written
}

type responseSerde struct{}

func (responseSerde) Append(dst []byte, r response) ([]byte, error) {
	return append(appendHash(dst, 0, r.hash), r.value...), nil
}

func (responseSerde) Decode(src []byte, r *response) error {
	*r = response{partition: -1}
	if len(src) < 1 || src[0]&^noHash != 0 {
		return fmt.Errorf("dsl: response: %w", serde.ErrMalformed)
	}
	rest, err := takeHash(src[1:], src[0], &r.hash)
	if err == nil && len(rest) > 0 {
		r.value = bytes.Clone(rest)
	}
	return err
}

// appendSubscriptionKey appends the key under which a subscription is kept:
// those to one row lie side by side, in the order of their primary keys.
func appendSubscriptionKey(dst, foreign, primary []byte) []byte {
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(foreign)))
	return append(append(dst, foreign...), primary...)
}
