package random

import (
	"bufio"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// Save writes cases to a file, one a line, compressed if it is called .gz. What
// is not compared is left out: descriptions, whose names differ, and the bytes
// of internal topics, which are long.
func Save(file string, cases []Case) (err error) {
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	var w io.Writer = f
	if strings.HasSuffix(file, ".gz") {
		z, err := gzip.NewWriterLevel(f, gzip.BestCompression)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, z.Close()) }()
		w = z
	}
	enc := json.NewEncoder(w)
	for _, c := range cases {
		c.Describe, c.Records, c.Wire = "", nil, false
		if err := enc.Encode(c); err != nil {
			return err
		}
	}
	return nil
}

// Load reads what Save wrote.
func Load(file string) ([]Case, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	r := io.Reader(bufio.NewReader(f))
	if strings.HasSuffix(file, ".gz") {
		if r, err = gzip.NewReader(r); err != nil {
			return nil, fmt.Errorf("random: %s: %w", file, err)
		}
	}
	var cases []Case
	for dec := json.NewDecoder(r); ; {
		var c Case
		switch err := dec.Decode(&c); err {
		case nil:
			cases = append(cases, c)
		case io.EOF:
			return cases, nil
		default:
			return nil, fmt.Errorf("random: %s: %w", file, err)
		}
	}
}
