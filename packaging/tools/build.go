package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
)

// flags build without paths of this machine, without symbols, and without anything of git: the version is given.
func (r *release) flags(out string) []string {
	return []string{
		"build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w -buildid= -X main.release=" + r.version, "-o", out,
	}
}

// binary is where the program of a target is.
func (r *release) binary(t target) string {
	path := filepath.Join(r.work, r.name(t), "bearerd")
	if t.os == "windows" {
		path += ".exe"
	}
	return path
}

func (r *release) build(t target) error {
	if err := r.goBuild(t, append(r.flags(r.binary(t)), "./cmd/bearerd")); err != nil {
		return err
	}
	fmt.Printf("built %s/%s\n", t.os, t.arch)
	return nil
}

func (r *release) goBuild(t target, args []string) error {
	cmd := exec.Command("go", args...)
	cmd.Dir, cmd.Env = r.root, r.environment(t)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("building for %s/%s: %w\n%s", t.os, t.arch, err, out)
	}
	return nil
}

// environment is this one without what would change what Go builds.
func (r *release) environment(t target) []string {
	env := []string{
		"GOOS=" + t.os, "GOARCH=" + t.arch, "CGO_ENABLED=0", "GOFLAGS=-mod=readonly", "GOEXPERIMENT=", "GOAMD64=v1", "GOARM64=v8.0",
		"GOFIPS140=off", "GOWORK=off", "SOURCE_DATE_EPOCH=" + strconv.FormatInt(r.when.Unix(), 10),
	}
	for _, variable := range os.Environ() {
		name, _, _ := strings.Cut(variable, "=")
		if !strings.HasPrefix(name, "GO") && name != "CGO_ENABLED" || isPlace(name) {
			env = append(env, variable)
		}
	}
	return env
}

// isPlace reports whether a variable says where Go finds things, not what it makes of them.
func isPlace(name string) bool {
	switch name {
	case "GOROOT", "GOPATH", "GOCACHE", "GOMODCACHE", "GOPROXY", "GOSUMDB", "GONOSUMDB", "GOPRIVATE", "GOTOOLCHAIN", "GOTMPDIR", "GOENV":
		return true
	}
	return false
}

// completions are the shells and the names of their files, as the archives have them.
var completions = map[string]string{"bash": "bearerd.bash", "zsh": "_bearerd", "fish": "bearerd.fish", "powershell": "bearerd.ps1"}

// documents has a program for this machine write the man pages and the completions.
func (r *release) documents() error {
	program := filepath.Join(r.work, "host", "bearerd")
	here := target{runtime.GOOS, runtime.GOARCH}
	if err := r.goBuild(here, append(r.flags(program), "-tags", "man", "./cmd/bearerd")); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(r.work, "man"), 0o755); err != nil {
		return err
	}
	if _, err := r.output(program, "man", filepath.Join(r.work, "man")); err != nil {
		return fmt.Errorf("the man pages: %w", err)
	}
	if pages, _ := filepath.Glob(filepath.Join(r.work, "man", "*.1")); len(pages) == 0 {
		return fmt.Errorf("`bearerd man` wrote no page")
	}
	if err := os.MkdirAll(filepath.Join(r.work, "completions"), 0o755); err != nil {
		return err
	}
	for shell, name := range completions {
		text, err := r.output(program, "completion", shell)
		if err != nil {
			return fmt.Errorf("the completion for %s: %w", shell, err)
		}
		if err := os.WriteFile(filepath.Join(r.work, "completions", name), text, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// output runs a program of ours with nothing of this user's.
func (r *release) output(program string, args ...string) ([]byte, error) {
	cmd := exec.Command(program, args...)
	var problem strings.Builder
	cmd.Stderr = &problem
	cmd.Env = []string{"HOME=" + r.work, "SOURCE_DATE_EPOCH=" + strconv.FormatInt(r.when.Unix(), 10)}
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("bearerd %s: %w: %s", strings.Join(args, " "), err, problem.String())
	}
	return out, nil
}
