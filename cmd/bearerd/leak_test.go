package main_test

import (
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"

	"bearerd/engine/oauth/oauthtest"
)

// The search itself must be able to fail, in every kind of place and for every form.
func TestFindLeaks(t *testing.T) {
	t.Parallel()
	const canary = "canary +/&= value"
	h := newHome(t, "CANARY="+canary)
	h.configure(server("planted", `command = "sh"`, `args = ["-c", "sleep 300 & echo canary-planted > state/planted; wait"]`))
	h.ok("secret", "list") // makes the state folder
	r := h.start("exec", "planted")
	eventually(t, "the file is planted", func() bool { return strings.Contains(h.files()[h.path("state/planted")], "\n") })
	places := h.files()
	for pid, argv := range h.processes() {
		places[fmt.Sprintf("/proc/%d/cmdline", pid)] = argv
	}
	leaks := strings.Join(findLeaks(places, []string{"canary-planted"}), "\n")
	for _, want := range []string{"state/planted holds", "/cmdline holds"} {
		if !strings.Contains(leaks, want) {
			t.Errorf("a planted canary was not found in %s: %s", want, leaks)
		}
	}
	r.stdin.Close()
	r.wait()
	request, _ := http.NewRequest(http.MethodPost, "http://x", nil)
	request.SetBasicAuth("some-client", "canary+%2B%2F%26%3D+value")
	for form, text := range map[string]string{
		"plain": "x" + canary + "y", "form": "a=1&b=canary+%2B%2F%26%3D+value&c=2", "header": request.Header.Get("Authorization"),
	} {
		if len(findLeaks(map[string]string{"text": text}, []string{canary})) == 0 {
			t.Errorf("the canary was not found in its form %s", form)
		}
	}
	if leaks := findLeaks(map[string]string{"text": "harmless"}, []string{canary}); len(leaks) != 0 {
		t.Error(leaks)
	}
}

// canaries in every place where a secret may be configured.
const (
	inFile    = "canary-in-file +/%"
	inEnv     = "canary-in-environment"
	inStore   = "canary-in-store"
	inLiteral = "canary-literal"
	inHeader  = "canary-in-header"
)

// leaky are servers with secrets everywhere, each for another way to fail.
func leaky(t *testing.T, h *home, as *oauthtest.Server, upstream string) []string {
	t.Helper()
	grant := func(name, secretRef string, lines ...string) string {
		lines = append(lines, "OAUTH_CLIENT_SECRET = "+secretRef, attribute("OAUTH_REVOCATION_URL", as.RevocationURL()),
			`OAUTH_ADDITIONAL_PARAMS = { extra = env("EXTRA") }`, `OAUTH_CUSTOM_HEADERS = { X-Api-Key = env("API_KEY") }`)
		return h.grant(as.TokenURL(), "ca.pem", name, "", lines...)
	}
	url := attribute("url", upstream) + "\n" + `headers = { X-Upstream-Key = env("API_KEY") }`
	return []string{
		server("file", url, grant("file", `file("file.secret")`)),
		server("env", nothing, `env = { API_KEY = env("API_KEY") }`, grant("env", `env("CLIENT_SECRET")`)),
		server("store", nothing, grant("store", `secret("client")`)),
		server("literal", nothing, grant("literal", strconv.Quote(inLiteral))),
		server("post", nothing, grant("post", `file("file.secret")`, "OAUTH_USE_BASIC_AUTH = false")),
		server("refused", url, grant("refused", `file("file.secret")`)), // of another secret there
		server("query", url, strings.Replace(grant("query", `file("file.secret")`, "OAUTH_TOKEN_IN_HEADER_ONLY = false"),
			`"2.1"`, `"2.0"`, 1)),
		server("unreachable", nothing, strings.Replace(grant("file", `file("file.secret")`), as.TokenURL(),
			"https://127.0.0.1:1/token", 1)),
		server("printer", `command = "cat"`, grant("file", `file("file.secret")`)),
	}
}

// Every secret goes through every path, good and bad, with everything logged. None of them is in a log, a status, a
// metric, an error, a command line or, unsealed, in a file of the state folder.
func TestNothingLeaks(t *testing.T) {
	t.Parallel()
	h := newHome(t, "CLIENT_SECRET="+inEnv, "EXTRA=canary-extra", "API_KEY="+inHeader)
	h.private(inFile, inEnv, inStore, inLiteral, inHeader, "canary-extra", "canary-in-body", "canary-of-nobody")
	as, _ := h.authServer()
	for id, secret := range map[string]string{"file": inFile, "env": inEnv, "store": inStore, "literal": inLiteral, "post": inFile,
		"refused": "another", "query": inFile} {
		as.Register(oauthtest.Client{ID: id, Secret: secret})
	}
	h.write("file.secret", inFile+"\n")
	upstream := startTokenCheck(t, startModernHTTP(t), func(token string) bool {
		_, ok := as.Introspect(token)
		return ok
	})
	servers := append(faulty(t, h), leaky(t, h, as, upstream.URL)...)
	if err := as.WriteCA(h.path("ca.pem")); err != nil {
		t.Fatal(err)
	}
	h.configure(servers...)
	if r := h.feed(inStore, "secret", "set", "client"); r.code != 0 {
		t.Fatal(r.stderr)
	}
	var said strings.Builder // what commands answer
	note := func(args ...string) {
		r := h.run(args...)
		said.WriteString(r.stdout + r.stderr)
	}
	d := h.daemon()
	eventually(t, "every server was tried", func() bool {
		return strings.Count(d.stderr.String(), "Successfully obtained token") >= 6 &&
			strings.Contains(d.stderr.String(), "Retrying token acquisition for unreachable, attempt 3/3")
	})
	for _, name := range []string{"file", "env", "store", "literal", "post", "query"} {
		h.token(name)
	}
	for i := range servers {
		note("token", fmt.Sprintf("faulty%d", i))
	}
	throughTheProxy(t, h, as, upstream, note)
	badConfiguration(t, h, note)
	child := h.start("exec", "printer")
	eventually(t, "the child runs", func() bool { return strings.Contains(child.stderr.String(), `"started"`) })

	places := h.files()
	for pid, argv := range h.processes() {
		places["/proc/"+strconv.Itoa(pid)+"/cmdline"] = argv
	}
	for _, args := range [][]string{{"status"}, {"status", "--json"}, {"metrics"}, {"metrics", "--json"}, {"secret", "list"},
		{"check"}, {"check", "--json"}, {"token", "file"}, {"token", "refused"}, {"token", "file", "--json"}} {
		note(args...)
	}
	places["/metrics"] = h.metricsPage()
	places["the commands' answers"] = said.String()
	if len(places) < 12 || len(h.privates()) < 20 || !strings.Contains(said.String(), "invalid_client") {
		t.Errorf("%d places and %d canaries: this test has missed something", len(places), len(h.privates()))
	}
	for _, leak := range findLeaks(places, h.privates()) {
		t.Error(leak)
	}
}

// throughTheProxy makes good calls, calls without a right, and one with a token that is dead at its provider.
func throughTheProxy(t *testing.T, h *home, as *oauthtest.Server, upstream *tokenCheck, note func(...string)) {
	t.Helper()
	for _, name := range []string{"file", "refused"} {
		target := h.clientConfig(name, modernWire)
		status, _, message := call(t, target)
		if good := name == "file"; good != (status == http.StatusOK) {
			t.Errorf("%s: %d %s", name, status, message)
		}
		for _, leak := range findLeaks(map[string]string{"the JSON-RPC error": message}, h.privates()) {
			t.Error(leak)
		}
		target.Headers = map[string]string{"Authorization": "Bearer canary-of-nobody"}
		if status, _, _ := call(t, target); status != http.StatusForbidden {
			t.Errorf("with a wrong key: %d", status)
		}
	}
	as.Revoke(h.token("file"))
	if status, _, message := call(t, h.clientConfig("file", modernWire)); status != http.StatusOK {
		t.Errorf("with a token that is dead upstream: %d %s", status, message)
	}
	h.token("file")
	h.private(tokensSeen(upstream)...)
	as.Fail(1, oauthtest.Answer(http.StatusServiceUnavailable, "text/html", "<html>canary-in-body</html>"))
	note("revoke", "file")
	note("refresh", "file")
	h.token("file")
}

// faulty are servers whose authorization servers answer in wrong ways, with tokens in the answers.
func faulty(t *testing.T, h *home) (servers []string) {
	t.Helper()
	const body = `{"access_token":"canary-in-body","token_type":"Bearer"}`
	for i, fault := range []oauthtest.Fault{
		oauthtest.Answer(http.StatusOK, "application/x-www-form-urlencoded", "access_token=canary-in-body&token_type=bearer"),
		oauthtest.OAuthError(http.StatusUnauthorized, "invalid_client", "no"),
		oauthtest.Answer(http.StatusServiceUnavailable, "text/html", "<html>access_token=canary-in-body</html>"),
		oauthtest.Answer(http.StatusBadRequest, "application/x-www-form-urlencoded", "error=no&token=canary-in-body"),
		oauthtest.Answer(http.StatusOK, "text/html", "<html>access_token=canary-in-body</html>"),
		oauthtest.Answer(http.StatusOK, "application/json", strings.Replace(body, "Bearer", "MAC", 1)),
		oauthtest.Answer(http.StatusOK, "application/json", body[:len(body)-1]),
		oauthtest.Redirect(http.StatusTemporaryRedirect, "https://127.0.0.1:1/?token=canary-in-body"),
		oauthtest.Reset(),
	} {
		as, _ := h.authServer()
		as.Fail(100, fault)
		ca := fmt.Sprintf("ca%d.pem", i)
		if err := as.WriteCA(h.path(ca)); err != nil {
			t.Fatal(err)
		}
		grant := h.grant(as.TokenURL(), ca, "app", "canary-of-app")
		servers = append(servers, server(fmt.Sprintf("faulty%d", i), nothing, grant))
	}
	return servers
}

// badConfiguration has secrets beside every kind of fault.
func badConfiguration(t *testing.T, h *home, note func(...string)) {
	t.Helper()
	for i, text := range []string{
		"server \"s\" {\n oauth_config {\n enabled = true\n OAUTH_CLIENT_SECRET = \"canary-literal\n }\n}\n",
		"server \"s\" {\n command = \"true\"\n args = [\"a\", secret(\"canary-literal\")]\n}\n",
		"server \"s\" {\n oauth_config {\n OAUTH_CLIENT_SECRET = \"canary-literal\"\n OAUTH_CLIENT_SECRET = \"canary-literal\"\n }\n}\n",
		`{"server": {"s": {"oauth_config": {"OAUTH_CLIENT_SECRET": "canary-literal", "OAUTH_COLOUR": "canary-literal"`,
	} {
		name := fmt.Sprintf("bad%d.hcl", i)
		if strings.HasPrefix(text, "{") {
			name += ".json"
		}
		path := h.write(name, text)
		if r := h.run("check", "-c", path); r.code != 1 || !strings.Contains(r.stderr, name) {
			t.Errorf("check of %s: %+v", name, r)
		}
		note("run", "-c", path)
		if err := os.Remove(path); err != nil {
			t.Error(err)
		}
	}
}
