package main_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
)

// governed is a home whose daemon has an admin listener that may make servers at loopback addresses. What the API answers
// is looked through for canaries at the end.
type governed struct {
	*home
	key     string
	answers buffer
	client  *http.Client
}

// startGoverned starts one that trusts the certificates of p. The lines are of the admin block.
func startGoverned(t testing.TB, p *provider, servers string, lines ...string) *governed {
	t.Helper()
	g := &governed{home: newVisitHome(t, "SSL_CERT_FILE="+p.CAFile), client: &http.Client{Timeout: peerPatience}}
	g.settle(servers, lines...)
	g.daemon()
	g.key = strings.TrimSpace(g.ok("admin-key"))
	g.private(g.key)
	t.Cleanup(func() {
		for _, leak := range findLeaks(map[string]string{"the API": g.answers.String(), "the audit log": g.audit()}, g.privates()) {
			t.Error(leak)
		}
	})
	return g
}

// settle writes the configuration, a single file: what the API makes goes to another folder.
func (g *governed) settle(servers string, lines ...string) {
	g.t.Helper()
	lines = append(lines, attribute("listen", g.admin), attribute("conf_dir", "made"), `allow_private = ["127.0.0.1", "localhost"]`)
	g.write("bearerd.hcl", fmt.Sprintf("log { level = \"debug\" }\nstore \"file\" { path = \"state\" }\nproxy { listen = %q }\nadmin {\n%s\n}\n%s\n",
		g.proxy, strings.Join(lines, "\n"), servers))
}

// send makes a request. What it answers may hold a secret: use rest where it may not.
func (g *governed) send(authorization, method, path, body string) (status int, text string) {
	g.t.Helper()
	r, err := http.NewRequestWithContext(g.t.Context(), method, "http://"+g.admin+path, strings.NewReader(body))
	if err != nil {
		g.t.Fatal(err)
	}
	if authorization != "" {
		r.Header.Set("Authorization", authorization)
	}
	resp, err := g.client.Do(r)
	if err != nil {
		g.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		g.t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

// rest makes a request with the admin key and decodes the answer, which holds no secret, into out, unless that is nil.
func (g *governed) rest(method, path, body string, out any) (status int) {
	g.t.Helper()
	status, text := g.send("Bearer "+g.key, method, path, body)
	_, _ = fmt.Fprintf(&g.answers, "%s %s: %d %s\n", method, path, status, text)
	if out != nil {
		if err := json.Unmarshal([]byte(text), out); err != nil {
			g.t.Errorf("%s %s: %d %s: %v", method, path, status, text, err)
		}
	}
	return status
}

// stream is the beginning of the live stream.
func (g *governed) stream() string {
	g.t.Helper()
	ctx, cancel := context.WithTimeout(g.t.Context(), peerPatience)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+g.admin+"/api/events", http.NoBody)
	if err != nil {
		g.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+g.key)
	resp, err := g.client.Do(r)
	if err != nil {
		g.t.Fatal(err)
	}
	defer resp.Body.Close()
	var text strings.Builder
	for lines := bufio.NewReader(resp.Body); !strings.Contains(text.String(), "\n\n"); {
		line, err := lines.ReadString('\n')
		if err != nil {
			g.t.Fatal(err)
		}
		text.WriteString(line)
	}
	if !strings.Contains(text.String(), `"servers":[{`) {
		g.t.Errorf("the stream begins with %s", text.String())
	}
	return text.String()
}

// audit is the audit log.
func (g *governed) audit() string {
	b, err := os.ReadFile(g.path("state/audit.jsonl"))
	if err != nil && !os.IsNotExist(err) {
		g.t.Error(err)
	}
	return string(b)
}

// begun is an answer that begins a sign-in.
type begun struct {
	Status       string
	Config       string `json:"oauth_config_id"`
	Client       string `json:"mcp_client_id"`
	AuthorizeURL string `json:"authorize_url"`
	CompleteURL  string `json:"complete_url"`
	StatusURL    string `json:"status_url"`
}

// grantStatus is the status of a grant.
type grantStatus struct {
	Status string
	Scopes []string `json:"token_scopes"`
	Token  string   `json:"token_id"`
	Error  string
}

// begin makes a server whose sign-in is to be done. The ticket in its address is private from then on.
func (g *governed) begin(body string) (b begun) {
	g.t.Helper()
	status, text := g.send("Bearer "+g.key, http.MethodPost, "/api/mcp/client", body) // the start's address is for one browser
	if err := json.Unmarshal([]byte(text), &b); err != nil || status != http.StatusOK || b.Status != "pending_oauth" {
		g.t.Fatalf("POST /api/mcp/client: %d %s", status, text)
	}
	g.private(b.AuthorizeURL[strings.LastIndexAny(b.AuthorizeURL, "./")+1:])
	return b
}

// guideJSON is the body of the guide for a server that discovers and registers what it can.
func guideJSON(name, url string) string {
	return fmt.Sprintf(`{"name": %q, "connection_type": "http", "connection_string": %q, "auth_type": "oauth",
		"oauth_config": {"server_url": %[2]q, "scopes": ["read"]}, "tools_to_execute": ["*"]}`, name, url)
}
