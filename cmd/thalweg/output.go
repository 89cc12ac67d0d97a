package main

import (
	"encoding/json/jsontext"
	"encoding/json/v2"
	"errors"
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

// deletions are what a command has deleted, and why it could not delete the rest.
type deletions struct {
	Deleted []string `json:"deleted"`
	errs    []error
}

func (d *deletions) add(kind, name string, err error) {
	if err != nil {
		d.errs = append(d.errs, explain(kind, name, err))
	} else {
		d.Deleted = append(d.Deleted, name)
	}
}

// print tells of what is deleted; its error is about the rest.
func (d *deletions) print(e *env) error {
	err := e.print(d, func(w io.Writer) {
		for _, n := range d.Deleted {
			fmt.Fprintf(w, "deleted %s\n", n)
		}
	})
	return errors.Join(append(d.errs, err)...)
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
