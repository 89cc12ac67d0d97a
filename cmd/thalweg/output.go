package main

import (
	"encoding/json/jsontext"
	"encoding/json/v2"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// print writes v as JSON on one line, or the text that f writes in aligned columns.
func (e *env) print(v any, f func(w io.Writer)) error {
	if e.json() {
		return writeJSON(e.out, v)
	}
	tw := tabwriter.NewWriter(e.out, 0, 0, 2, ' ', 0)
	f(tw)
	return tw.Flush()
}

func writeJSON(w io.Writer, v any) error {
	b, err := json.Marshal(v, json.FormatNilSliceAsNull(false), jsontext.EscapeForHTML(false))
	if err != nil {
		return err
	}
	_, err = w.Write(append(b, '\n'))
	return err
}

// row writes one line of a table.
func row(w io.Writer, cells ...any) {
	line := make([]string, len(cells))
	for i, c := range cells {
		line[i] = fmt.Sprint(c)
	}
	fmt.Fprintln(w, strings.Join(line, "\t"))
}
