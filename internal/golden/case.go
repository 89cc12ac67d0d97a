package golden

import (
	"bytes"
	"compress/gzip"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/thalweg/thalweg/processor"
)

// Case is one recorded run.
type Case struct {
	ID             string               `json:"id"`
	Seed           int                  `json:"seed"`
	Config         map[string]any       `json:"config"`
	Commit         string               `json:"commit"` // "each" or "manual"
	WallClockStart int64                `json:"wallClockStart"`
	InputTopics    map[string][2]string `json:"inputTopics"`
	OutputTopics   map[string][2]string `json:"outputTopics"`
	Steps          []Step               `json:"steps"`
	Outputs        []Output             `json:"outputs"`
	Error          *Failure             `json:"error,omitempty"`
	Dropped        int64                `json:"dropped"`
	Stores         map[string]Store     `json:"stores"`
	Internal       map[string]int       `json:"internal"`
	Records        []WireRecord         `json:"records,omitempty"` // to internal topics, when they were recorded
	Describe       string               `json:"describe,omitempty"`
}

// Step is one input.
type Step struct {
	Op      string   `json:"op"`
	Topic   string   `json:"topic,omitempty"`
	Key     Datum    `json:"key,omitzero"`
	Value   Datum    `json:"value,omitzero"`
	TS      int64    `json:"ts"`
	Headers []Header `json:"headers,omitempty"`
	Ms      int64    `json:"ms,omitempty"`
}

// Output is one record that the topology sent.
type Output struct {
	Step    int      `json:"step"`
	Topic   string   `json:"topic"`
	Key     Datum    `json:"key"`
	Value   Datum    `json:"value"`
	TS      int64    `json:"ts"`
	Headers []Header `json:"headers,omitempty"`
}

// Failure is set when the last step makes the driver fail.
type Failure struct {
	Step      int    `json:"step"`
	RootClass string `json:"rootClass,omitempty"`
}

// Store is the final visible content of one store.
type Store struct {
	Type    string  `json:"type"`
	Size    int     `json:"size,omitempty"`
	Entries []Entry `json:"entries,omitempty"`

	// Of ours alone: how the store is kept.
	Cached    bool          `json:"-"`
	Retention time.Duration `json:"-"`
}

// alive leaves out the entries that have expired, as far as the entries tell.
func (s Store) alive(entries []Entry) []Entry {
	newest := int64(-1)
	for _, e := range s.Entries {
		newest = max(newest, e.born())
	}
	var out []Entry
	for _, e := range entries {
		if e.born() > newest-s.Retention.Milliseconds() {
			out = append(out, e)
		}
	}
	return out
}

// born is the time by which an entry expires.
func (e Entry) born() int64 {
	if e.End != nil {
		return *e.End
	}
	if e.Start != nil {
		return *e.Start
	}
	return 0
}

// Entry is one visible entry; which fields are set depends on the store's type.
type Entry struct {
	Key     Datum           `json:"key"`
	Value   Datum           `json:"value"`
	TS      *int64          `json:"ts,omitempty"`
	Start   *int64          `json:"start,omitempty"`
	End     *int64          `json:"end,omitempty"`
	AsOf    json.RawMessage `json:"asOf,omitempty"`
	Headers []Header        `json:"headers,omitempty"`
}

// Header is written as [name, text].
type Header struct {
	Name  string
	Value *string
}

func (h *Header) UnmarshalJSON(b []byte) error {
	var pair [2]*string
	if err := json.Unmarshal(b, &pair); err != nil {
		return err
	}
	if pair[0] == nil {
		return fmt.Errorf("golden: header without a name")
	}
	h.Name, h.Value = *pair[0], pair[1]
	return nil
}

func (h Header) MarshalJSON() ([]byte, error) { return json.Marshal([2]*string{&h.Name, h.Value}) }

// Datum is a key or a value: nil, string, int64, Hex or WindowKey.
type Datum struct{ V any }

// Hex is raw bytes.
type Hex []byte

// WindowKey is the key of a windowed record.
type WindowKey struct {
	Key        string `json:"key"`
	Start, End int64
}

func (d *Datum) UnmarshalJSON(b []byte) error {
	switch b = bytes.TrimSpace(b); {
	case string(b) == "null":
		d.V = nil
	case b[0] == '"':
		var s string
		if err := json.Unmarshal(b, &s); err != nil {
			return err
		}
		d.V = s
	case b[0] == '{':
		var o struct {
			Hex        *string `json:"hex"`
			Key        string  `json:"key"`
			Start, End int64
		}
		if err := json.Unmarshal(b, &o); err != nil {
			return err
		}
		if o.Hex == nil {
			d.V = WindowKey{o.Key, o.Start, o.End}
			return nil
		}
		raw, err := hex.DecodeString(*o.Hex)
		if err != nil {
			return err
		}
		d.V = Hex(raw)
	default:
		var n int64
		if err := json.Unmarshal(b, &n); err != nil {
			return err
		}
		d.V = n
	}
	return nil
}

func (d Datum) MarshalJSON() ([]byte, error) {
	switch v := d.V.(type) {
	case Hex:
		return json.Marshal(map[string]string{"hex": hex.EncodeToString(v)})
	case WindowKey:
		return json.Marshal(map[string]any{"key": v.Key, "start": v.Start, "end": v.End})
	}
	return json.Marshal(d.V)
}

// Load reads all cases of a directory, ordered by file name.
func Load(dir string) ([]Case, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil {
		return nil, err
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("golden: no cases in %s", dir)
	}
	cases := make([]Case, len(files))
	for i, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			return nil, err
		}
		if err := json.Unmarshal(b, &cases[i]); err != nil {
			return nil, fmt.Errorf("golden: %s: %w", f, err)
		}
	}
	return cases, nil
}

// LoadBundle reads the cases of a compressed file, one JSON document after the
// other.
func LoadBundle(file string) ([]Case, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return nil, fmt.Errorf("golden: %s: %w", file, err)
	}
	var cases []Case
	for d := json.NewDecoder(z); ; {
		var c Case
		if err := d.Decode(&c); err == io.EOF {
			return cases, nil
		} else if err != nil {
			return nil, fmt.Errorf("golden: %s: %w", file, err)
		}
		cases = append(cases, c)
	}
}

func headersOf(hs []Header) processor.Headers {
	var out processor.Headers
	for _, h := range hs {
		var v []byte
		if h.Value != nil {
			v = []byte(*h.Value)
			if v == nil {
				v = []byte{}
			}
		}
		out = append(out, processor.Header{Key: h.Name, Value: v})
	}
	return out
}

// maskedHeaders cannot be equal in two languages; only their presence counts.
func maskedHeader(name string) bool {
	return strings.HasPrefix(name, "__streams.errors.") &&
		(strings.HasSuffix(name, ".stacktrace") || strings.HasSuffix(name, ".exception"))
}
