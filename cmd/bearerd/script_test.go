package main_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// The scripts show what the command line says, where no other program takes part.
func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Cmds:                map[string]func(*testscript.TestScript, bool, []string){"exits": exits},
		WorkdirRoot:         shortDir(t),
		Setup: func(env *testscript.Env) error {
			env.Setenv("PATH", filepath.Dir(program)+":"+env.Getenv("PATH"))
			env.Setenv("HOME", env.WorkDir)
			env.Vars = append(env.Vars, raceOptions)
			env.Setenv("BEARERD_CONFIG", "")
			return nil
		},
	})
}

// shortDir is a temporary folder with a path short enough for a unix socket below it.
func shortDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "b")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// exits runs a program that must end with a certain exit code: exits CODE PROGRAM ARGS.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE PROGRAM ARGS")
	}
	var exit *exec.ExitError
	if err := ts.Exec(args[1], args[2:]...); !errors.As(err, &exit) || strconv.Itoa(exit.ExitCode()) != args[0] {
		ts.Fatalf("%q ended with %v, not with exit code %s", args[1:], err, args[0])
	}
}
