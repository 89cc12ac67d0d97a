// Thalweg is the command line of the project: it runs the bundled broker and talks to any Kafka-protocol broker.
//
// Results go to standard output, everything else to standard error. Every command takes -o json.
// Exit codes: 0 done, 1 failed, 2 wrong usage, 3 no broker reachable, 4 unknown topic or group.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"

	"github.com/alecthomas/kong"

	"github.com/thalweg/thalweg/internal/flags"
)

// Exit codes, listed in the help as well.
const (
	exitFailed      = 1
	exitUsage       = 2
	exitUnreachable = 3
	exitUnknown     = 4
)

// exitError is an error that chooses the exit code.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string { return e.err.Error() }
func (e *exitError) Unwrap() error { return e.err }

// cli is the grammar. Field order is the order in the help.
type cli struct {
	Brokers []string      `short:"b" env:"THALWEG_BROKERS" default:"localhost:9092" sep:"," placeholder:"HOST:PORT" help:"Brokers to start from; localhost:9092 if left out."`
	Output  string        `short:"o" enum:"text,json" default:"text" help:"Form of the output: text or json."`
	Timeout time.Duration `default:"10s" help:"How long to wait for a broker's answer."`

	Broker  brokerCmd  `cmd:"" help:"Run the bundled broker."`
	Topic   topicCmd   `cmd:"" help:"Create, list, describe, change, empty, delete topics."`
	Produce produceCmd `cmd:"" help:"Write records from standard input or a file to a topic."`
	Consume consumeCmd `cmd:"" help:"Print the records of a topic."`
	Group   groupCmd   `cmd:"" help:"List, describe, delete consumer groups."`
	App     appCmd     `cmd:"" help:"Reset a streams application."`

	New     newCmd     `cmd:"" help:"Create a working project with a test."`
	Doctor  doctorCmd  `cmd:"" help:"Say what this machine has and what to type for what is missing."`
	Version versionCmd `cmd:"" help:"Print the version."`
}

// env is what a command may touch: its streams, and the flags that belong to all commands.
type env struct {
	context.Context
	in       io.Reader
	out, err io.Writer
	cli      *cli
}

func (e *env) json() bool { return e.cli.Output == "json" }

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// conventional turns what people type by habit into what the grammar knows.
func conventional(args []string) []string {
	switch {
	case len(args) == 0:
		return []string{"--help"}
	case args[0] == "help":
		return append(slices.Clone(args[1:]), "--help")
	case len(args) == 1 && (args[0] == "--version" || args[0] == "-version"):
		return []string{"version"}
	}
	return args
}

// run parses args and runs one command; it gives the exit code.
func run(ctx context.Context, args []string, in io.Reader, out, errs io.Writer) int {
	var c cli
	exited, code := false, 0
	parser, err := kong.New(&c,
		kong.Name("thalweg"),
		kong.Description("A Kafka-protocol broker and its tools. Long flags take one dash or two.\n\nExit codes: 0 done, 1 failed, 2 wrong usage, 3 no broker reachable, 4 unknown topic or group."),
		kong.Writers(out, errs),
		kong.Exit(func(n int) { exited, code = true, n }),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
	)
	if err != nil {
		fmt.Fprintln(errs, "thalweg:", err)
		return exitFailed
	}
	args = conventional(args)
	kctx, err := parser.Parse(flags.Long(parser.Model, args))
	if exited { // --help has printed itself
		return code
	}
	if err != nil {
		fmt.Fprintf(errs, "thalweg: %v\nTry: thalweg --help\n", err)
		return exitUsage
	}
	err = kctx.Run(&env{Context: ctx, in: in, out: out, err: errs, cli: &c})
	if err == nil || errors.Is(err, context.Canceled) && ctx.Err() != nil { // interrupted by the user
		return 0
	}
	fmt.Fprintln(errs, "thalweg:", err)
	var withCode *exitError
	if errors.As(err, &withCode) {
		return withCode.code
	}
	return exitFailed
}
