package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"syscall"

	"github.com/twmb/franz-go/pkg/kadm"
)

type doctorCmd struct{}

// finding is one thing looked at. Fix is what to type where OK is false.
type finding struct {
	What  string `json:"what"`
	OK    bool   `json:"ok"`
	Found string `json:"found"`
	Fix   string `json:"fix,omitzero"`
}

// bindings maps a RocksDB major to the grocksdb release that binds it: each release binds one range of RocksDB's C functions.
func bindings() map[int]string {
	return map[int]string{7: "v1.7.10", 8: "v1.8.11", 9: "v1.9.9", 10: "v1.10.7", 11: "v1.11.1"}
}

// Run prints the findings. Nothing of it is needed to run on Pebble, so it fails only when it cannot look.
func (doctorCmd) Run(e *env) error {
	found := []finding{goFinding(e), cgoFinding()}
	found = append(found, rocksFindings(includeDirs())...)
	found = append(found, filesFinding(), brokerFinding(e))
	return e.print(found, func(w io.Writer) {
		for _, f := range found {
			mark := "ok"
			if !f.OK {
				mark = "--"
			}
			row(w, mark, f.What, f.Found)
			if f.Fix != "" {
				row(w, "", "", "type: "+f.Fix)
			}
		}
	})
}

func goFinding(ctx context.Context) finding {
	f := finding{What: "Go toolchain"}
	out, err := exec.CommandContext(ctx, "go", "env", "GOVERSION", "GOTOOLCHAIN").Output()
	if err != nil {
		f.Found, f.Fix = "go is not on the PATH", "install Go 1.21 or newer from https://go.dev/dl"
		return f
	}
	lines := strings.Fields(string(out))
	f.Found = strings.Join(lines, ", GOTOOLCHAIN=")
	f.OK = len(lines) == 2 && (lines[1] != "local" || newEnough(lines[0]))
	if !f.OK {
		f.Fix = "export GOTOOLCHAIN=auto"
	}
	return f
}

// newEnough reports whether a Go version has generic methods, which came with 1.27.
func newEnough(version string) bool {
	m := regexp.MustCompile(`^go1\.(\d+)`).FindStringSubmatch(version)
	if m == nil {
		return false
	}
	minor, err := strconv.Atoi(m[1])
	return err == nil && minor >= 27
}

func cgoFinding() finding {
	f := finding{What: "cgo"}
	if os.Getenv("CGO_ENABLED") == "0" {
		f.Found, f.Fix = "CGO_ENABLED=0", "unset CGO_ENABLED (RocksDB alone needs it)"
		return f
	}
	for _, tool := range []string{envOr("CC", "gcc"), envOr("CXX", "g++")} {
		if _, err := exec.LookPath(tool); err != nil {
			f.Found, f.Fix = tool+" is missing", installCommand("g++")
			return f
		}
	}
	f.OK, f.Found = true, "C and C++ compilers found"
	return f
}

// rocksFindings looks for RocksDB's headers in dirs, and says which binding they need.
func rocksFindings(dirs []string) []finding {
	lib, binding := finding{What: "RocksDB"}, finding{What: "RocksDB binding"}
	file, version := rocksVersion(dirs)
	if file == "" {
		lib.Found, lib.Fix = "not installed: state is kept by Pebble", installCommand("librocksdb-dev g++")
		return []finding{lib}
	}
	lib.OK, lib.Found = true, fmt.Sprintf("%s (%s)", version, file)
	major, _ := strconv.Atoi(strings.Split(version, ".")[0])
	want, ok := bindings()[major]
	switch {
	case !ok:
		binding.Found = fmt.Sprintf("no known grocksdb release binds RocksDB %d: state is kept by Pebble", major)
	case major == 7:
		binding.OK, binding.Found = true, "grocksdb "+want+", which go.mod names; build with -tags rocksdb"
	default:
		binding.Found = fmt.Sprintf("RocksDB %d needs grocksdb %s; go.mod names %s. make chooses by itself, in a program of yours:", major, want, bindings()[7])
		binding.Fix = "go get github.com/linxGnu/grocksdb@" + want
	}
	return []finding{lib, binding}
}

func includeDirs() []string {
	var dirs []string
	for _, list := range []string{os.Getenv("CPATH"), os.Getenv("C_INCLUDE_PATH")} {
		dirs = append(dirs, filepath.SplitList(list)...)
	}
	return append(dirs, "/usr/local/include", "/usr/include", "/opt/homebrew/include")
}

// rocksVersion reads the first rocksdb/version.h in dirs; file is empty where there is none.
func rocksVersion(dirs []string) (file, version string) {
	define := regexp.MustCompile(`^#define ROCKSDB_(MAJOR|MINOR|PATCH) (\d+)`)
	for _, dir := range dirs {
		path := filepath.Join(dir, "rocksdb", "version.h")
		f, err := os.Open(path)
		if err != nil {
			continue
		}
		var parts []string
		for s := bufio.NewScanner(f); s.Scan(); {
			if m := define.FindStringSubmatch(s.Text()); m != nil {
				parts = append(parts, m[2])
			}
		}
		f.Close()
		return path, strings.Join(parts, ".")
	}
	return "", ""
}

// filesFinding looks at the limit of open files: a broker keeps about nine per partition once it is used.
func filesFinding() finding {
	f := finding{What: "open files"}
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		f.Found = err.Error()
		return f
	}
	f.Found, f.OK = fmt.Sprintf("limit %d", limit.Cur), limit.Cur >= 4096
	if !f.OK {
		f.Fix = "ulimit -n 65536"
	}
	return f
}

func brokerFinding(e *env) finding {
	f := finding{What: "broker", Fix: "thalweg broker"}
	err := e.admin(func(ctx context.Context, adm *kadm.Client) error {
		m, err := adm.BrokerMetadata(ctx)
		if err == nil {
			f.OK, f.Fix, f.Found = true, "", fmt.Sprintf("%d at %s", len(m.Brokers), strings.Join(e.cli.Brokers, ","))
		}
		return err
	})
	if err != nil {
		f.Found = "none answers at " + strings.Join(e.cli.Brokers, ",")
	}
	return f
}

func envOr(name, otherwise string) string {
	if v := os.Getenv(name); v != "" {
		return v
	}
	return otherwise
}

// installCommand is what to type on this system for Debian's packages.
func installCommand(packages string) string {
	switch {
	case runtime.GOOS == "darwin":
		return "brew install rocksdb"
	case os.Geteuid() == 0:
		return "apt-get update && apt-get install -y " + packages
	}
	return "sudo apt-get update && sudo apt-get install -y " + packages
}
