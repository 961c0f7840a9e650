package doctor

import (
	"context"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"bearerd/config"
)

// A program that does not answer is stopped: that is told once.
func TestAProgramThatDoesNotAnswer(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("there are no scripts")
	}
	path := filepath.Join(t.TempDir(), "slow")
	if err := os.WriteFile(path, []byte("#!/bin/sh\nread -r line\nread -r line\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	var told []Step
	ch := &chart{begun: func(string, string) {}, ended: func(s Step) { told = append(told, s) }}
	p := &patient{Server: &config.Server{Name: "s", Command: path}, doctor: &Doctor{}, chart: ch}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	p.program(ctx)
	if len(told) != 2 || told[0].Result != Warned ||
		told[1].Result != Skipped || !strings.HasSuffix(told[1].Detail, "because of initialize") {
		t.Errorf("%+v", told)
	}
}
