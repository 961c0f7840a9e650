package main_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"bearerd/engine/oauth/oauthtest"
)

// ledger knows every token of an authorization server and when it ends. It judges the calls that were made meanwhile.
type ledger struct {
	h    *home
	life time.Duration
	kind func(called) (fault string) // a failed call that is to be expected gives ""; nil: none is

	mu       sync.Mutex           // guards what follows
	ends     map[string]time.Time // by token
	seen     []string             // the tokens that calls were made with, in order of their first call
	pids     map[int]bool         // processes that have answered whoami
	people   map[string]bool      // what elicitations were answered with
	calls    map[string]int       // that went well, by tool
	failed   int                  // that kind has excused
	late     int                  // calls whose token ended while they ran
	started  int                  // how often server-everything said that it now sends updates, the first at once
	faults   int
	lastCall time.Time // when the last call that went well was answered
	longest  time.Duration
}

// startLedger makes an authorization server whose tokens live for a time, and gives the oauth_config of its client.
func (h *home) startLedger(life time.Duration, lines ...string) (l *ledger, as *oauthtest.Server, grant string) {
	h.t.Helper()
	as, grant = h.authServer(lines...)
	as.SetLifetime(life)
	l = &ledger{h: h, life: life, ends: map[string]time.Time{}, pids: map[int]bool{}, people: map[string]bool{}, calls: map[string]int{}}
	as.Fail(5000, l.issue)
	return l, as, grant
}

// issue notes a token that is given out: the server believes in it for life from a moment after now.
func (l *ledger) issue(w http.ResponseWriter, r *http.Request, next http.Handler) {
	ends := time.Now().Add(l.life)
	answer := httptest.NewRecorder()
	next.ServeHTTP(answer, r)
	var body struct {
		AccessToken string `json:"access_token"`
	}
	_ = json.Unmarshal(answer.Body.Bytes(), &body) // else there is none
	if body.AccessToken != "" {
		l.h.private(body.AccessToken)
		l.mu.Lock()
		l.ends[body.AccessToken] = ends
		l.mu.Unlock()
	}
	for name, values := range answer.Header() {
		w.Header()[name] = values
	}
	w.WriteHeader(answer.Code)
	_, _ = w.Write(answer.Body.Bytes())
}

// called is a tool call that has ended.
type called struct {
	Name      string          `json:"name"`
	Arguments json.RawMessage `json:"arguments"`
	From      int64           `json:"from"` // ms since 1970
	To        int64           `json:"to"`
	Text      string          `json:"text"`
	Progress  int             `json:"progress"`
	Error     bool            `json:"error"`
	Failed    string          `json:"failed"`
	Halted    bool            `json:"halted"` // it is none, but the end of a loop
}

func (c called) from() time.Time { return time.UnixMilli(c.From) }
func (c called) to() time.Time   { return time.UnixMilli(c.To + 1) }

// note judges a call. It may be called on any goroutine.
func (l *ledger) note(c called) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if c.Failed != "" && l.kind != nil && l.kind(c) == "" {
		l.failed++
		return
	}
	fault := ""
	switch {
	case c.Failed != "" || c.Error:
		fault = "failed"
	default:
		fault = l.judge(c)
	}
	if fault != "" {
		if l.faults++; l.faults <= 5 {
			l.h.t.Errorf("%s %s, %d ms: %s: %.300s %s", c.Name, c.Arguments, c.To-c.From, fault, l.unnamed(c.Text), c.Failed)
		}
		return
	}
	l.calls[c.Name]++
	l.longest = max(l.longest, c.to().Sub(c.from()))
	l.lastCall = c.to()
}

// unnamed is text without tokens.
func (l *ledger) unnamed(text string) string {
	for token := range l.ends {
		text = strings.ReplaceAll(text, token, "TOKEN")
	}
	return text
}

// judge says what is wrong with the answer of a call; mu is held.
func (l *ledger) judge(c called) (fault string) {
	var args struct {
		Message, Prompt string
		A, B, N, Steps  int
	}
	if err := json.Unmarshal(c.Arguments, &args); err != nil {
		return err.Error()
	}
	want, steps := "", 0
	switch c.Name {
	case "echo":
		want = args.Message
	case "get-sum":
		want = fmt.Sprintf("The sum of %d and %d is %d.", args.A, args.B, args.A+args.B)
	case "trigger-sampling-request":
		want = "sampled: Resource trigger-sampling-request context: " + args.Prompt + `"`
	case "trigger-elicitation-request":
		return l.person(c.Text)
	case "trigger-long-running-operation":
		want, steps = "completed", args.Steps
	case "count":
		want, steps = fmt.Sprintf("counted %d", args.N), args.N
	case "toggle-subscriber-updates":
		if want = "imulated resource"; strings.HasPrefix(c.Text, "Started") {
			l.started++
		}
	case "get-env":
		return l.environment(c)
	case "whoami":
		return l.whoami(c)
	}
	if !strings.Contains(c.Text, want) || c.Name == "echo" && !strings.HasSuffix(c.Text, want) {
		return "another answer than " + want
	}
	if c.Progress < steps-1 { // @modelcontextprotocol/client drops the last one now and then; tap.mjs sees it
		return fmt.Sprintf("%d progress notifications of %d", c.Progress, steps)
	}
	return ""
}

// person checks that no two elicitations had the same answer.
func (l *ledger) person(text string) (fault string) {
	_, rest, found := strings.Cut(text, "- Name: ")
	name, _, _ := strings.Cut(rest, "\n")
	if !found || !strings.HasPrefix(name, "person ") {
		return "no name"
	}
	if l.people[name] {
		return "the answer of another elicitation"
	}
	l.people[name] = true
	return ""
}

func (l *ledger) environment(c called) (fault string) {
	var env map[string]string
	if err := json.Unmarshal([]byte(c.Text), &env); err != nil {
		return err.Error()
	}
	token := env["OAUTH_ACCESS_TOKEN"]
	ends, known := l.token(token)
	switch {
	case !known:
		return "a token that was never issued"
	case ends.Before(c.from()):
		return fmt.Sprintf("its token had ended %s before it was made", c.from().Sub(ends))
	case ends.Before(c.to().Add(-lateBy)):
		l.late++
	}
	return ""
}

const (
	lateBy    = 500 * time.Millisecond // a call that takes longer may see its token end
	passingOn = 250 * time.Millisecond // from bearerd to a server that is busy
)

// whoami is exact, as the server says when it ran the call.
func (l *ledger) whoami(c called) (fault string) {
	var who struct {
		Token string
		PID   int
		At    int64
	}
	if err := json.Unmarshal([]byte(c.Text), &who); err != nil {
		return err.Error()
	}
	ends, known := l.token(who.Token)
	if !known {
		return "a token that was never issued"
	}
	if over := time.UnixMilli(who.At).Sub(ends); over > passingOn {
		return fmt.Sprintf("its token had ended %s before it was run", over)
	}
	l.pids[who.PID] = true
	return ""
}

func (l *ledger) token(token string) (ends time.Time, known bool) {
	ends, known = l.ends[token]
	if known && !slices.Contains(l.seen, token) {
		l.seen = append(l.seen, token)
	}
	return ends, known
}

// tally is what a ledger has seen so far.
type tally struct {
	tokens, issued, pids, failed, late, started int
	calls                                       map[string]int
	longest                                     time.Duration
	lastCall                                    time.Time
}

func (l *ledger) tally() tally {
	l.mu.Lock()
	defer l.mu.Unlock()
	calls := map[string]int{}
	for name, n := range l.calls {
		calls[name] = n
	}
	return tally{len(l.seen), len(l.ends), len(l.pids), l.failed, l.late, l.started, calls, l.longest, l.lastCall}
}

// rotations waits until calls were made with n tokens after the first.
func (l *ledger) rotations(t *testing.T, n int) {
	t.Helper()
	patience := peerPatience + time.Duration(n)*4*l.life
	for deadline := time.Now().Add(patience); l.tally().tokens <= n && !t.Failed(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("after %s: %+v, want %d rotations", patience, l.tally(), n)
		}
	}
}

func (got tally) String() string {
	return fmt.Sprintf("%d tokens of %d issued, %d pids, %d failed, %d late, %d started, calls %v, the longest %s",
		got.tokens, got.issued, got.pids, got.failed, got.late, got.started, got.calls, got.longest)
}
