package main

import (
	"encoding/base64"
	"encoding/json/v2"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/twmb/franz-go/pkg/kgo"
)

// record is the JSON form of a record, one per line: what consume -o json prints and produce --json reads.
// Bytes that are not UTF-8 travel in the *_base64 field instead; null is null.
type record struct {
	Topic       string    `json:"topic,omitzero"`
	Partition   *int32    `json:"partition,omitzero"`
	Offset      *int64    `json:"offset,omitzero"`
	Time        time.Time `json:"time,omitzero"`
	Key         *string   `json:"key"`
	KeyBase64   *string   `json:"key_base64,omitzero"`
	Value       *string   `json:"value"`
	ValueBase64 *string   `json:"value_base64,omitzero"`
	Headers     []header  `json:"headers,omitempty"`
}

type header struct {
	Key         string  `json:"key"`
	Value       *string `json:"value"`
	ValueBase64 *string `json:"value_base64,omitzero"`
}

func toText(b []byte) (text, encoded *string) {
	switch {
	case b == nil:
		return nil, nil
	case utf8.Valid(b):
		return new(string(b)), nil
	}
	return nil, new(base64.StdEncoding.EncodeToString(b))
}

func fromText(text, encoded *string) ([]byte, error) {
	switch {
	case encoded != nil:
		return base64.StdEncoding.DecodeString(*encoded)
	case text != nil:
		return []byte(*text), nil
	}
	return nil, nil
}

func recordOf(r *kgo.Record) record {
	out := record{Topic: r.Topic, Partition: &r.Partition, Offset: &r.Offset, Time: r.Timestamp.UTC()}
	out.Key, out.KeyBase64 = toText(r.Key)
	out.Value, out.ValueBase64 = toText(r.Value)
	for _, h := range r.Headers {
		v, enc := toText(h.Value)
		out.Headers = append(out.Headers, header{h.Key, v, enc})
	}
	return out
}

// parseRecord reads the JSON form. Topic and offset are ignored: a record is written where the command says.
func parseRecord(line []byte) (r *kgo.Record, partition *int32, err error) {
	var in record
	if err := json.Unmarshal(line, &in); err != nil {
		return nil, nil, err
	}
	r = &kgo.Record{Timestamp: in.Time}
	if r.Key, err = fromText(in.Key, in.KeyBase64); err != nil {
		return nil, nil, fmt.Errorf("key: %w", err)
	}
	if r.Value, err = fromText(in.Value, in.ValueBase64); err != nil {
		return nil, nil, fmt.Errorf("value: %w", err)
	}
	for _, h := range in.Headers {
		v, err := fromText(h.Value, h.ValueBase64)
		if err != nil {
			return nil, nil, fmt.Errorf("header %s: %w", h.Key, err)
		}
		r.Headers = append(r.Headers, kgo.RecordHeader{Key: h.Key, Value: v})
	}
	return r, in.Partition, nil
}
