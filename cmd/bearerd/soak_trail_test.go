package main_test

import (
	"bytes"
	"regexp"
	"strings"
	"sync"
	"time"
)

// step is how far a process has come with a refresh token, as its log tells.
type step int32

const (
	resting  step = iota // none is on its way
	asking               // "Token request" was logged: from here on it may be spent
	answered             // "Successfully obtained" was logged; whether the answer was kept the journal and the record tell
)

// trail follows the log of one process of a race. It is the process's stderr.
type trail struct {
	passed func(step) // called on each step, on the goroutine that reads the log

	mu          sync.Mutex
	rest        []byte
	step        step
	correlation string
	last        time.Time // when something was written
}

var correlationID = regexp.MustCompile(`"correlation_id":"([0-9a-f-]{36})"`)

func (l *trail) Write(p []byte) (int, error) {
	l.mu.Lock()
	l.last = time.Now()
	l.rest = append(l.rest, p...)
	var steps []step
	for {
		line, rest, found := bytes.Cut(l.rest, []byte("\n"))
		if !found {
			break
		}
		l.rest = rest
		if next, ok := l.read(string(line)); ok {
			l.step = next
			steps = append(steps, next)
		}
	}
	l.mu.Unlock()
	for _, s := range steps {
		l.passed(s)
	}
	return len(p), nil
}

// read tells which step a line is. mu is held.
func (l *trail) read(line string) (next step, ok bool) {
	switch {
	case strings.Contains(line, "[OAuthService] Token request correlation_id="):
		next = asking
	case strings.Contains(line, "[OAuthService] Successfully obtained token"):
		next = answered
	case strings.Contains(line, "[OAuthService] Token request failed"):
		next = resting
	default:
		return 0, false
	}
	if id := correlationID.FindStringSubmatch(line); id != nil {
		l.correlation = id[1]
	}
	return next, true
}

// drained waits until a process that writes no more has been read to its end.
func (l *trail) drained() {
	const quiet = 50 * time.Millisecond
	for {
		time.Sleep(quiet / 2)
		l.mu.Lock()
		done := time.Since(l.last) > quiet
		l.mu.Unlock()
		if done {
			return
		}
	}
}

func (l *trail) now() (step, string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.step, l.correlation
}
