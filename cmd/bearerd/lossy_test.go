package main

import (
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestLossyPassesOn(t *testing.T) {
	var out strings.Builder
	l := newLossy(&out)
	for range 3 {
		_, _ = io.WriteString(l, "line\n")
	}
	l.Close()
	if out.String() != "line\nline\nline\n" {
		t.Errorf("got %q", out.String())
	}
}

// A reader that does not read holds nobody up, and is told what it has missed.
func TestLossyWaitsForNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, w := io.Pipe()
		l := newLossy(w)
		start := time.Now()
		line := strings.Repeat("x", 1023) + "\n"
		for range 2000 {
			_, _ = io.WriteString(l, line)
			synctest.Wait()
		}
		if took := time.Since(start); took != 0 {
			t.Errorf("writing took %v", took)
		}
		b, closed := make([]byte, 4<<20), make(chan struct{})
		go func() {
			defer close(closed)
			l.Close()
			_ = w.Close()
		}()
		n, _ := io.ReadFull(r, b)
		<-closed
		text := string(b[:n])
		lines := strings.Count(text, line)
		if lines < 1000 || lines > 1026 || !strings.Contains(text, "lines were dropped here") {
			t.Errorf("%d lines came; the end is %q", lines, text[max(0, len(text)-100):])
		}
	})
	synctest.Test(t, func(t *testing.T) {
		_, w := io.Pipe()
		l := newLossy(w)
		_, _ = io.WriteString(l, "never read\n")
		start := time.Now()
		l.Close()
		if took := time.Since(start); took != lastWords {
			t.Errorf("the end took %v", took)
		}
		_ = w.Close()
	})
}
