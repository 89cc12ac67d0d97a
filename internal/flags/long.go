// Package flags lets the commands of this project take long flags with one dash or two.
package flags

import (
	"strings"

	"github.com/alecthomas/kong"
)

// Long returns args with a second dash before every long flag of app that is written with one, as Go's own flag
// package takes them: -speed 15s means --speed 15s. A long flag goes before the short ones that the same letters could
// spell. Arguments behind a bare -- stay as they are.
func Long(app *kong.Application, args []string) []string {
	known := map[string]bool{}
	addFlags(known, app.Node)
	out := make([]string, 0, len(args))
	for i, arg := range args {
		if arg == "--" {
			return append(out, args[i:]...)
		}
		name, _, _ := strings.Cut(strings.TrimPrefix(arg, "-"), "=")
		if strings.HasPrefix(arg, "-") && known[name] {
			arg = "-" + arg
		}
		out = append(out, arg)
	}
	return out
}

// addFlags puts the names of the long flags of n and of the commands below it into known.
func addFlags(known map[string]bool, n *kong.Node) {
	for _, f := range n.Flags {
		if len(f.Name) > 1 {
			known[f.Name] = true
		}
	}
	for _, child := range n.Children {
		addFlags(known, child)
	}
}
