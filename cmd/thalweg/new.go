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
	Thalweg string `type:"path" placeholder:"DIR" help:"Checkout of thalweg to build against; the one this command was built from if left out."`
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
	if err := os.Mkdir(c.Name, 0o755); errors.Is(err, os.ErrExist) {
		return fmt.Errorf("%s exists already", c.Name)
	} else if err != nil {
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

// checkout is the directory this command was built from, or "" where it is not there (any more).
func checkout() string {
	_, file, _, ok := runtime.Caller(0)
	if !ok {
		return ""
	}
	root := filepath.Dir(filepath.Dir(filepath.Dir(file)))
	if _, err := os.Stat(filepath.Join(root, "go.mod")); err != nil {
		return ""
	}
	return root
}
