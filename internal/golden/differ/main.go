// Command differ compares random programs with Kafka Streams: each is run by
// Kafka Streams in Java and by the test driver here, and must give the same
// outputs, dropped records and stores. What differs is made smaller and printed.
//
//	differ -java "$(build/java internal/golden/java)" -seeds 200
//
// With -record the runs that are the same are kept, with -found the smallest
// ones that are not: once repaired, they belong into random/testdata.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"

	"github.com/thalweg/thalweg/internal/golden"
	"github.com/thalweg/thalweg/internal/golden/random"
)

type options struct {
	classpath   string
	from, seeds uint64
	limit       int
	plain       bool
	record      string
	found       string
}

func main() {
	var o options
	flag.StringVar(&o.classpath, "java", "", "class `path` of the recorder, as build/java prints it")
	flag.Uint64Var(&o.from, "from", 1, "first seed")
	flag.Uint64Var(&o.seeds, "seeds", 100, "number of seeds")
	flag.BoolVar(&o.plain, "plain", false, "only programs of plain types")
	flag.IntVar(&o.limit, "limit", 5, "stop after so many differences")
	flag.StringVar(&o.record, "record", "", "write the runs that are the same to this `file`")
	flag.StringVar(&o.found, "found", "", "write the smallest runs that differ to this `file`")
	flag.Parse()
	if err := run(o); err != nil {
		fmt.Fprintln(os.Stderr, "differ:", err)
		os.Exit(1)
	}
}

func run(o options) error {
	java, err := start(o.classpath)
	if err != nil {
		return err
	}
	defer java.stop()
	answers := make(chan answer, 8)
	go func() {
		defer close(answers)
		for seed := o.from; seed < o.from+o.seeds; seed++ {
			if c := random.Generate(seed); c.Program.Plain || !o.plain {
				answers <- java.record(c)
			}
		}
	}()
	var same, different []random.Case
	refused := 0
	for a := range answers {
		if a.err != nil {
			return fmt.Errorf("seed %d: %w", a.asked.Seed, a.err)
		}
		diff := compare(a)
		switch {
		case diff != "":
			fmt.Printf("--- seed %d: %s\n", a.asked.Seed, diff)
			small, diff := shrink(java, a, diff)
			print(small.asked, diff)
			different = append(different, small.kase)
		case a.broken():
			refused++
		default:
			same = append(same, a.kase)
		}
		if len(different) == o.limit {
			break
		}
	}
	if err := errors.Join(save(o.record, same), save(o.found, different)); err != nil {
		return err
	}
	fmt.Printf("%d programs give the same; %d more Kafka Streams does not run\n", len(same), refused)
	if len(different) > 0 {
		return fmt.Errorf("%d programs differ", len(different))
	}
	return nil
}

func save(file string, cases []random.Case) error {
	if file == "" {
		return nil
	}
	return random.Save(file, cases)
}

// compare runs a recorded case here and tells the difference, "" for none.
func compare(a answer) (diff string) {
	defer func() {
		if p := recover(); p != nil {
			diff = fmt.Sprint("panic here: ", p)
		}
	}()
	topo, err := random.Build(a.asked)
	switch {
	case a.broken():
		return ""
	case err != nil:
		return "refused here: " + err.Error()
	}
	got, err := golden.Replay(a.kase.Case, topo)
	if err != nil {
		return "failed here: " + err.Error()
	}
	return golden.Diff(a.kase.Case, got)
}

// print shows a program and its input, one node or step a line.
func print(c random.Case, diff string) {
	var b strings.Builder
	fmt.Fprintf(&b, "smallest: commit %s, config %v\n", c.Commit, c.Config)
	for i, n := range c.Program.Nodes {
		fmt.Fprintf(&b, "  node %d %s\n", i, line(n))
	}
	for i, s := range c.Steps {
		fmt.Fprintf(&b, "  step %d %s\n", i, line(s))
	}
	fmt.Printf("%s%s\n", b.String(), diff)
}

func line(x any) string {
	b, err := json.Marshal(x)
	if err != nil {
		return err.Error()
	}
	return string(b)
}
