package main

import (
	"embed"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"text/template"
)

//go:embed project
var projectFiles embed.FS

type newCmd struct {
	Name    string `arg:"" help:"Name of the project and of its directory."`
	Module  string `help:"Module path; the name if left out."`
	Thalweg string `type:"path" placeholder:"DIR" help:"Checkout of thalweg to build against; the one this command was built from, or is run in, if left out."`
	NoTidy  bool   `help:"Leave out go mod tidy."`
}

// project is what the templates are filled with.
type project struct{ Name, Module, Version, Replace string }

// Run writes the project into a new directory and resolves its dependencies, so that go test works in it at once.
func (c *newCmd) Run(e *env) error {
	if !regexp.MustCompile(`^[a-z][a-z0-9._-]*$`).MatchString(c.Name) {
		return &exitError{exitUsage, fmt.Errorf("name %q: use small letters, digits, '.', '_' and '-', a letter first", c.Name)}
	}
	p := project{Name: c.Name, Module: c.Module, Version: "v0.0.0", Replace: c.Thalweg}
	if p.Module == "" {
		p.Module = c.Name
	}
	if p.Replace == "" {
		p.Replace = checkout()
	}
	if _, err := os.Stat(c.Name); err == nil {
		return fmt.Errorf("%s exists already", c.Name)
	}
	if p.Replace == "" {
		return &exitError{exitUsage, errors.New("where is thalweg? Nothing is published yet: name a checkout with --thalweg DIR")}
	}
	if !isCheckout(p.Replace) {
		return &exitError{exitUsage, fmt.Errorf("there is no checkout of thalweg at %s", p.Replace)}
	}
	if err := os.Mkdir(c.Name, 0o755); err != nil {
		return err
	}
	files, err := writeProject(c.Name, p)
	if err != nil {
		return err
	}
	if !c.NoTidy {
		tidy := exec.CommandContext(e, "go", "mod", "tidy")
		tidy.Dir = c.Name
		tidy.Env = append(os.Environ(), "GOTOOLCHAIN=auto")
		tidy.Stderr = e.err
		if err := tidy.Run(); err != nil {
			return fmt.Errorf("go mod tidy in %s: %w", c.Name, err)
		}
	}
	return e.print(map[string]any{"directory": c.Name, "files": files}, func(w io.Writer) {
		fmt.Fprintf(w, "created %s\nNext: cd %s && go test .\n", c.Name, c.Name)
	})
}

// writeProject fills the templates into dir.
func writeProject(dir string, p project) (files []string, err error) {
	templates, err := template.ParseFS(projectFiles, "project/*.tmpl")
	if err != nil {
		return nil, err
	}
	for _, t := range templates.Templates() {
		name := strings.TrimSuffix(t.Name(), ".tmpl")
		if name == "gitignore" { // embedding leaves out names that begin with a dot
			name = ".gitignore"
		}
		var out strings.Builder
		if err := t.Execute(&out, p); err != nil {
			return nil, err
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(out.String()), 0o644); err != nil {
			return nil, err
		}
		files = append(files, name)
	}
	return files, nil
}

// checkout is the directory of thalweg that this command was built from or, where the build did not keep that (-trimpath)
// or it has gone, the one that the working directory lies in; "" where there is neither.
func checkout() string {
	var starts []string
	if _, file, _, ok := runtime.Caller(0); ok && filepath.IsAbs(file) {
		starts = append(starts, filepath.Dir(file))
	}
	if wd, err := os.Getwd(); err == nil {
		starts = append(starts, wd)
	}
	for _, dir := range starts {
		for ; ; dir = filepath.Dir(dir) {
			if isCheckout(dir) {
				return dir
			}
			if dir == filepath.Dir(dir) {
				break
			}
		}
	}
	return ""
}

func isCheckout(dir string) bool {
	text, err := os.ReadFile(filepath.Join(dir, "go.mod"))
	return err == nil && strings.HasPrefix(string(text), "module github.com/thalweg/thalweg\n")
}
