package task

import (
	"encoding/base64"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestMetadataRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := Metadata{
			PartitionTime: rapid.Int64().Draw(t, "time"),
			Processor:     rapid.MapOf(rapid.String(), rapid.Int64()).Draw(t, "meta"),
		}
		if len(m.Processor) == 0 {
			m.Processor = nil
		}
		got, err := DecodeMetadata(m.Encode())
		require.NoError(t, err)
		require.Equal(t, m, got)
	})
}

// TestMetadataBytes holds the format to that of Kafka Streams' TopicPartitionMetadata.
func TestMetadataBytes(t *testing.T) {
	for _, c := range []struct {
		name, raw string
		want      Metadata
	}{
		{"version 1", "\x01\x00\x00\x00\x00\x00\x00\x00\x2a", Metadata{PartitionTime: 42}},
		{"version 2, no processor", "\x02\x00\x00\x00\x00\x00\x00\x00\x2a", Metadata{PartitionTime: 42}},
		{"version 2", "\x02\xff\xff\xff\xff\xff\xff\xff\xff\x00\x00\x00\x01\x00\x00\x00\x01k\x00\x00\x00\x00\x00\x00\x00\x07", Metadata{-1, map[string]int64{"k": 7}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := DecodeMetadata(base64.StdEncoding.EncodeToString([]byte(c.raw)))
			require.NoError(t, err)
			require.Equal(t, c.want, got)
			if c.raw[0] == 2 {
				require.Equal(t, base64.StdEncoding.EncodeToString([]byte(c.raw)), c.want.Encode())
			}
		})
	}
	got, err := DecodeMetadata("")
	require.NoError(t, err)
	require.Equal(t, Metadata{PartitionTime: -1}, got)
}

func FuzzDecodeMetadata(f *testing.F) {
	f.Add(Metadata{5, map[string]int64{"window": 9}}.Encode())
	f.Add("")
	f.Add("AQAAAAAAAAAq")
	f.Add("AgAAAAAAAAAq/////w==")
	f.Fuzz(func(t *testing.T, s string) {
		m, err := DecodeMetadata(s)
		if err != nil {
			return
		}
		again, err := DecodeMetadata(m.Encode())
		if err != nil || again.PartitionTime != m.PartitionTime || len(again.Processor) != len(m.Processor) {
			t.Fatalf("%+v became %+v, %v", m, again, err)
		}
	})
}
