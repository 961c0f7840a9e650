package main_test

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"bearerd/engine/oauth/oauthtest"
)

// watched is where secrets must not be found, gathered again and again while sign-ins go on.
type watched struct {
	*delegated
	places map[string]string
	said   strings.Builder // what commands answer
}

// look gathers what is there now: the state folder, command lines, and what commands and metrics tell.
func (w *watched) look(when string) {
	w.t.Helper()
	for path, text := range w.files() {
		w.places[when+" "+path] = text
	}
	for pid, argv := range w.processes() {
		if !strings.Contains(argv, w.path("visit")) { // the browser has to be told where to go
			w.places[when+" /proc/"+strconv.Itoa(pid)+"/cmdline"] = argv
		}
	}
	for _, args := range [][]string{{"status"}, {"status", "--json"}, {"metrics"}, {"metrics", "--json"}, {"check", "--json"}} {
		w.note(args...)
	}
	w.places[when+" /metrics"] = w.metricsPage()
}

func (w *watched) note(args ...string) {
	w.t.Helper()
	r := w.run(args...)
	w.said.WriteString(r.stdout + r.stderr)
}

// fields are the values that token requests carried.
func (w *watched) fields(names ...string) (found []string) {
	for _, r := range w.as.RequestsTo("/token") {
		for _, name := range names {
			found = append(found, r.Form[name]...)
		}
	}
	slices.Sort(found)
	return slices.Compact(found)
}

// Codes, states, verifiers, device codes, tokens and the secret of a client that was registered go through sign-ins, good and bad,
// with everything logged. None of them is told to anybody else, or kept in clear.
func TestLoginLeaksNothing(t *testing.T) {
	t.Parallel()
	w := &watched{delegated: newDelegated(t, `OAUTH_SCOPE = "read"`), places: map[string]string{}}
	w.as.EditMetadata(func(m map[string]any) {
		m["token_endpoint_auth_methods_supported"] = []string{"client_secret_post"}
	})
	w.daemon()

	login, address := w.login()
	w.look("while a person is asked")
	q := parse(t, address).Query()
	w.private(q.Get("state"))
	for _, stray := range []string{"?code=canary-stray-code&state=canary-stray-state", "?error=canary-stray-error&state=canary-stray-state"} {
		w.private("canary-stray-code", "canary-stray-state", "canary-stray-error")
		visit(t, http.DefaultClient, q.Get("redirect_uri")+stray)
	}
	_, page, end := visit(t, http.DefaultClient, w.answer(address).String())
	login.wait()
	w.places["the last page"], w.places["its address"] = page, end.String()
	w.look("signed in")

	token := w.token("web")
	w.note("token", "web")
	w.note("token", "web", "--json")
	if status, _, message := call(t, w.clientConfig("web", modernWire)); status != http.StatusOK {
		t.Errorf("a call: %d %s", status, message)
	}
	w.note("refresh", "web")
	w.as.Approve(func(r oauthtest.AuthorizeRequest) oauthtest.Decision { return oauthtest.Deny("no: " + r.State) })
	denied, address := w.login()
	visit(t, http.DefaultClient, w.answer(address).String())
	denied.wait()
	w.as.FailAt("/token", 1, oauthtest.Lost(oauthtest.OAuthError(http.StatusBadRequest, "invalid_grant", "no")))
	w.as.Approve(nil)
	lost, address := w.login()
	visit(t, http.DefaultClient, w.answer(address).String())
	lost.wait()

	device := w.start("login", "web", "--device", "--no-browser")
	eventually(t, "the code is printed", func() bool { return strings.Contains(device.stderr.String(), "enter the code:\n") })
	w.look("while a device is asked")
	lines := strings.Split(device.stderr.String(), "\n")
	if !w.as.ApproveDevice(lines[slices.Index(lines, "and enter the code:")+1]) {
		t.Error("the code is not one that waits")
	}
	if code := device.wait(); code != 0 {
		t.Errorf("login --device: exit code %d", code)
	}
	w.look("signed in by a device")
	w.note("logout", "web")
	w.look("signed out")

	for name, want := range map[string]int{"code": 2, "code_verifier": 2, "device_code": 1, "refresh_token": 1, "client_secret": 1} {
		found := w.fields(name)
		if len(found) != want {
			t.Errorf("%d values of %s, want %d: this test has missed something", len(found), name, want)
		}
		w.private(found...)
	}
	for _, r := range w.as.RequestsTo("/revoke") {
		w.private(r.Form["token"]...)
	}
	w.places["the commands' answers"] = w.said.String()
	if len(w.places) < 20 || !slices.Contains(w.privates(), token) {
		t.Errorf("%d places: this test has missed something", len(w.places))
	}
	for _, leak := range findLeaks(w.places, w.privates()) {
		t.Error(leak)
	}
}
