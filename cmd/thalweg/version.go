package main

import (
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
)

type versionCmd struct{}

// versionInfo says which build this is. Revision is empty for a build outside a checkout.
type versionInfo struct {
	Version  string `json:"version"`
	Revision string `json:"revision,omitzero"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

func (versionCmd) Run(e *env) error {
	v := versionInfo{Version: "(devel)", Go: goVersion(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	if info, ok := debug.ReadBuildInfo(); ok {
		v.Version = info.Main.Version
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				v.Revision = s.Value
			}
		}
	}
	return e.print(v, func(w io.Writer) { fmt.Fprintln(w, "thalweg", v.Version, v.Revision, v.Go, v.Platform) })
}

func goVersion() string { return runtime.Version() }
