package main_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"bearerd/engine/oauth/oauthtest"
	"bearerd/secrets/vault/vaulttest"
)

const vaultExample = "../../examples/vault-approle"

// operator does what SETUP.md of the example tells people to do, over HTTP: the commands are read from there.
type operator struct {
	vault *vaulttest.Server
	stdin map[string]string // what is typed for a field=- of a path, or is in the file of a field=@FILE
	out   map[string]string // files that a command writes, by name
}

func readText(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// follow runs SETUP.md's commands up to its section about other logins. Engines are there already, and wrapping is
// the second of two ways to hand over a secret id.
func (o *operator) follow(t *testing.T, wrapped bool) {
	t.Helper()
	text, _, _ := strings.Cut(readText(t, filepath.Join(vaultExample, "SETUP.md")), "## Other logins")
	ran := 0
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, " #")
		command, file, _ := strings.Cut(strings.TrimSpace(line), " > ")
		words := strings.Fields(command)
		if len(words) < 2 || words[0] != "vault" || words[1] == "secrets" {
			continue
		}
		wraps := strings.Contains(command, "-wrap-ttl")
		if strings.Contains(command, "/secret-id") && wraps != wrapped {
			continue
		}
		answer := o.run(t, words[1:])
		if file != "" && answer == "" {
			t.Fatalf("%s: prints nothing", command)
		}
		if file != "" {
			o.out[filepath.Base(file)] = answer
		}
		ran++
	}
	if ran < 9 {
		t.Fatalf("only %d commands were found in SETUP.md", ran)
	}
}

// run does one command and returns the field that it prints.
func (o *operator) run(t *testing.T, words []string) string {
	t.Helper()
	flags, rest := map[string]string{}, []string{}
	for _, w := range words {
		if name, value, _ := strings.Cut(w, "="); strings.HasPrefix(w, "-") {
			flags[name] = value
		} else {
			rest = append(rest, w)
		}
	}
	switch verb := strings.Join(rest[:min(2, len(rest))], " "); {
	case verb == "policy write":
		o.vault.Policy(rest[2], readText(t, filepath.Join(vaultExample, rest[3])))
	case verb == "auth enable":
		o.vault.Do("POST", "sys/auth/"+rest[2], map[string]any{"type": rest[2]})
	case verb == "kv put", verb == "kv patch":
		o.keep(t, flags["-mount"]+"/data/"+rest[2], o.fields(rest[2], rest[3:]), verb == "kv patch")
	case verb == "token create":
		o.vault.Do("POST", "auth/token/create", map[string]any{"policies": []string{flags["-policy"]}, "period": flags["-period"]})
	case rest[0] == "read":
		return field(o.vault.Do("GET", rest[1], nil), flags["-field"])
	case rest[0] == "write" && flags["-wrap-ttl"] != "":
		return o.wrap(t, rest[1], flags["-wrap-ttl"])
	case rest[0] == "write":
		return field(o.vault.Do("POST", rest[1], o.fields(rest[1], rest[2:])), flags["-field"])
	default:
		t.Fatalf("SETUP.md has a command that this test does not know: %v", words)
	}
	return ""
}

func (o *operator) fields(path string, pairs []string) map[string]any {
	fields := map[string]any{}
	for _, p := range pairs {
		name, value, _ := strings.Cut(p, "=")
		if value == "-" || strings.HasPrefix(value, "@") {
			value = o.stdin[path+" "+name]
		}
		fields[name] = value
	}
	return fields
}

// keep writes the fields, with merge beside those that are there.
func (o *operator) keep(t *testing.T, path string, fields map[string]any, merge bool) {
	t.Helper()
	if merge {
		data, _ := o.vault.Do("GET", path, nil)["data"].(map[string]any)
		there, _ := data["data"].(map[string]any)
		maps.Copy(fields, there)
	}
	o.vault.Do("POST", path, map[string]any{"data": fields})
}

// wrap asks for a secret id as a wrapping token.
func (o *operator) wrap(t *testing.T, path, ttl string) string {
	t.Helper()
	req, err := http.NewRequest("POST", o.vault.Addr+"/v1/"+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header = http.Header{"X-Vault-Token": {o.vault.RootToken}, "X-Vault-Wrap-Ttl": {ttl}}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	var answer struct {
		Wrap struct{ Token string } `json:"wrap_info"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil || answer.Wrap.Token == "" {
		t.Fatalf("%s with %s gave no wrapping token: %s %v", path, ttl, resp.Status, err)
	}
	return answer.Wrap.Token
}

func field(answer map[string]any, name string) string {
	data, _ := answer["data"].(map[string]any)
	value, _ := data[name].(string)
	return value
}

// exampleHome is a host with the example's configuration, changed in nothing but addresses and certificates.
func exampleHome(t *testing.T, o *operator, as *oauthtest.Server, change ...string) *home {
	t.Helper()
	h := newHome(t)
	h.env = append(h.env, "CREDENTIALS_DIRECTORY="+h.path("credentials"), "VAULT_CACERT="+o.vault.CAFile)
	if err := as.WriteCA(h.path("ca.pem")); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(h.path("credentials"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, value := range o.out {
		h.write(filepath.Join("credentials", name), value+"\n")
	}
	h.private(o.out["vault-secret-id"], o.vault.RootToken)
	h.private(slices.Collect(maps.Values(o.stdin))...)
	text := readText(t, filepath.Join(vaultExample, "bearerd.hcl"))
	for old, changed := range map[string]string{
		"https://vault.example.com:8200":         o.vault.TLSAddr,
		`"https://auth.example.com/oauth/token"`: attribute(fmt.Sprintf("%q\n OAUTH_CA_BUNDLE_PATH", as.TokenURL()), "ca.pem"),
	} {
		if !strings.Contains(text, old) {
			t.Fatalf("the example does not have %s", old)
		}
		text = strings.ReplaceAll(text, old, changed)
	}
	text = strings.NewReplacer(change...).Replace(text)
	const head = "log { level = \"debug\" }\nstore \"file\" { path = \"state\" }\nproxy { listen = %q }\nadmin { listen = %q }\n"
	h.write("bearerd.hcl", fmt.Sprintf(head, h.proxy, h.admin)+text)
	return h
}

// exampleWorld is a Vault set up as SETUP.md says, and the authorization server.
func exampleWorld(t *testing.T, wrapped bool) (*operator, *oauthtest.Server) {
	t.Helper()
	v := vaulttest.Start(t)
	as, err := oauthtest.New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(as.Close)
	as.Register(oauthtest.Client{ID: "client-123", Secret: "canary-of-tickets"})
	as.Register(oauthtest.Client{ID: "client-456", Secret: "canary-of-mail"})
	o := &operator{vault: v, out: map[string]string{}, stdin: map[string]string{
		"mcp/tickets client_secret": "canary-of-tickets", "mcp/mail client_secret": "canary-of-mail",
		"mcp/mail refresh_token": as.Grant("client-456"),
	}}
	o.follow(t, wrapped)
	return o, as
}

// The example does what its SETUP.md says, after nothing but SETUP.md's commands: two hosts, one token for each server.
func TestVaultExample(t *testing.T) {
	t.Parallel()
	o, as := exampleWorld(t, false)
	h := exampleHome(t, o, as)
	if r := h.run("check"); r.code != 0 || strings.Contains(r.stderr, "missing here") ||
		!strings.Contains(r.stdout, "Tokens are kept in Vault at secret/bearerd.") {
		t.Fatalf("check: exit code %d\n%s%s", r.code, r.stdout, r.stderr)
	}
	d := h.daemon()
	tickets, mail := h.token("tickets"), h.token("mail")
	if said := h.ok("status"); !strings.Contains(said, "Vault at "+o.vault.TLSAddr+" is up") {
		t.Errorf("status says %q", said)
	}
	if r := h.feed("canary-kept\n", "secret", "set", "team/kept"); r.code != 0 {
		t.Fatalf("secret set: %s", r.stderr)
	}
	h.private("canary-kept")
	d.stop()

	second := exampleHome(t, o, as)
	second.daemon()
	if said := second.ok("secret", "list"); said != "team/kept" {
		t.Errorf("secret list on another host says %q", said)
	}
	second.ok("secret", "rm", "team/kept")
	h.daemon()
	for _, host := range []*home{h, second} {
		if host.token("tickets") != tickets || host.token("mail") != mail {
			t.Error("a restart, or another host, did not use the tokens in Vault")
		}
		if said := host.ok("secret", "list"); said != "" {
			t.Errorf("after secret rm, secret list says %q", said)
		}
	}
	if n := len(as.Requests()); n != 2 {
		t.Errorf("%d token requests for two servers on two hosts, want 2", n)
	}
	for _, name := range []string{"tickets", "mail"} {
		data, _ := o.vault.Do("GET", "secret/metadata/bearerd/grant/"+name, nil)["data"].(map[string]any)
		if fmt.Sprint(data["max_versions"]) != "2" || data["cas_required"] != true {
			t.Errorf("the record of %s keeps %v versions, cas_required %v", name, data["max_versions"], data["cas_required"])
		}
	}
}

// With a wrapped secret id the first start unwraps it; a later one needs it no more.
func TestVaultExampleWrapped(t *testing.T) {
	t.Parallel()
	o, as := exampleWorld(t, true)
	h := exampleHome(t, o, as, "# wrapped = true", "wrapped = true")
	d := h.daemon()
	token := h.token("tickets")
	d.stop()
	h.daemon()
	if h.token("tickets") != token {
		t.Error("after a restart the token is another one")
	}
	if said := h.ok("status"); !strings.Contains(said, "is up") {
		t.Errorf("status says %q", said)
	}
}

// The other logins of SETUP.md are valid blocks, and Vault takes their commands; those that need an issuer or a cluster apart.
func TestVaultExampleOtherLogins(t *testing.T) {
	t.Parallel()
	o, as := exampleWorld(t, false)
	dir := t.TempDir()
	cert, key, err := as.WriteClientCert(dir, "bearerd")
	if err == nil {
		err = as.WriteCA(filepath.Join(dir, "ca.pem"))
	}
	if err != nil {
		t.Fatal(err)
	}
	o.stdin["auth/cert/certs/bearerd certificate"] = readText(t, filepath.Join(dir, "ca.pem"))
	_, text, _ := strings.Cut(readText(t, filepath.Join(vaultExample, "SETUP.md")), "## Other logins")
	ran := 0
	for line := range strings.Lines(text) {
		if words := strings.Fields(line); len(words) > 1 && words[0] == "vault" && !strings.HasSuffix(words[2], "/config") {
			o.run(t, words[1:])
			ran++
		}
	}
	blocks := strings.Split(text, "```hcl\n")[1:]
	if ran != 7 || len(blocks) != 4 {
		t.Fatalf("%d commands and %d blocks were found", ran, len(blocks))
	}
	example := readText(t, filepath.Join(vaultExample, "bearerd.hcl"))
	from := strings.Index(example, `auth "approle"`)
	approle := example[from : from+strings.Index(example[from:], "}")+1]
	for _, block := range blocks {
		block, _, _ = strings.Cut(block, "```")
		h := exampleHome(t, o, as, approle, block)
		h.env = append(h.env, "VAULT_CLIENT_CERT="+cert, "VAULT_CLIENT_KEY="+key)
		method := strings.Fields(strings.ReplaceAll(block, `"`, ""))[1]
		if said := h.ok("check"); !strings.Contains(said, "the login by "+method) {
			t.Errorf("check says %q", said)
		}
	}
}

// The policies give these paths what is needed, and all others nothing.
func TestVaultExamplePoliciesGiveNoMore(t *testing.T) {
	t.Parallel()
	o, _ := exampleWorld(t, false)
	for _, tt := range []struct{ policy, path, want string }{
		{"bearerd-references", "secret/data/mcp/tickets", "read"},
		{"bearerd-references", "secret/metadata/mcp/tickets", "deny"},
		{"bearerd-references", "secret/metadata/mcp/", "deny"},
		{"bearerd-references", "secret/data/other", "deny"},
		{"bearerd-references", "secret/data/mcpx", "deny"},
		{"bearerd-references", "secret/data/bearerd/grant/tickets", "deny"},
		{"bearerd-store", "secret/data/mcp/tickets", "deny"},
		{"bearerd-store", "secret/data/bearerd/grant/tickets", "create read update"},
		{"bearerd-store", "secret/metadata/bearerd/grant/tickets", "create delete list update"},
		{"bearerd-store", "secret/data/bearerdx/grant", "deny"},
		{"bearerd-store", "secret/metadata/", "deny"},
		{"bearerd-store", "secret/delete/bearerd/grant/tickets", "deny"},
		{"bearerd-store", "secret/config", "deny"},
		{"bearerd-store", "kv1/x", "deny"},
		{"bearerd-store", "auth/approle/role/bearerd/secret-id", "deny"},
		{"bearerd-store", "sys/policies/acl/bearerd-store", "deny"},
	} {
		answer := o.vault.Do("POST", "sys/capabilities", map[string]any{
			"token": o.vault.Token("1m", tt.policy), "paths": []string{tt.path},
		})
		var have []string
		for _, c := range answer[tt.path].([]any) {
			have = append(have, c.(string))
		}
		slices.Sort(have)
		if got := strings.Join(have, " "); got != tt.want {
			t.Errorf("%s gives %s on %s, want %s", tt.policy, got, tt.path, tt.want)
		}
	}
}

// Each capability in the policies is needed: without it something fails, and says which path wants what.
func TestVaultExamplePoliciesGiveNoLess(t *testing.T) {
	t.Parallel()
	o, as := exampleWorld(t, false)
	h := exampleHome(t, o, as)
	set := func(name string) []string { return []string{"secret", "set", name} }
	h.token("tickets")
	for _, name := range []string{"old", "deleted"} {
		h.feed("canary-kept", set(name)...)
	}
	o.vault.Do("DELETE", "secret/data/bearerd/secret/deleted", nil) // its metadata stay
	for _, tt := range []struct {
		policy, path, capability string
		args                     []string
		want                     string
		also                     string // a path that it is taken from too: metadata are written first, and then a value is no new one
	}{
		{"references", "data/mcp/*", "read", []string{"refresh", "tickets"}, `"secret/data/mcp/tickets" { capabilities = ["read"] }`, ""},
		{"store", "data/bearerd/*", "read", set("old"), `"secret/data/bearerd/secret/old" { capabilities = ["read"] }`, ""},
		{"store", "data/bearerd/*", "create", set("new"), `"secret/data/bearerd/secret/new" { capabilities = ["create", "update"] }`, "metadata/bearerd/*"},
		{"store", "data/bearerd/*", "update", set("old"), `"secret/data/bearerd/secret/old" { capabilities = ["create", "update"] }`, ""},
		{"store", "metadata/bearerd/*", "create", set("newer"), "Vault keeps old versions of tokens", ""},
		{"store", "metadata/bearerd/*", "update", set("deleted"), "Vault keeps old versions of tokens", ""},
		{"store", "metadata/bearerd/*", "list", []string{"secret", "list"}, `secret/metadata/bearerd/secret/" { capabilities = ["list"] }`, ""},
		{"store", "metadata/bearerd/*", "delete", []string{"secret", "rm", "old"}, `"secret/metadata/bearerd/secret/old" { capabilities = ["delete"] }`, ""},
	} {
		whole := readText(t, filepath.Join(vaultExample, "policies", tt.policy+".hcl"))
		less := without(t, whole, tt.path, tt.capability)
		if tt.also != "" {
			less = without(t, less, tt.also, tt.capability)
		}
		o.vault.Policy("bearerd-"+tt.policy, less)
		r := h.feed("canary-kept", tt.args...)
		said := r.stderr
		warns := strings.HasPrefix(tt.want, "Vault keeps")
		if !strings.Contains(strings.ReplaceAll(said, `\"`, `"`), tt.want) || (r.code == 0) != warns {
			t.Errorf("without %s on %s, %v ends with %d and says\n%s", tt.capability, tt.path, tt.args, r.code, said)
		}
		o.vault.Policy("bearerd-"+tt.policy, whole)
		if r := h.feed("canary-kept", tt.args...); r.code != 0 || strings.Contains(r.stderr, "Vault keeps") {
			t.Errorf("with the whole policy, %v ends with %d and says\n%s", tt.args, r.code, r.stderr)
		}
	}
	h.private("canary-kept")
}

// without takes a capability from a path of a policy.
func without(t *testing.T, policy, path, capability string) string {
	t.Helper()
	head, rest, found := strings.Cut(policy, `path "secret/`+path+`"`)
	block, tail, _ := strings.Cut(rest, "}")
	_, list, _ := strings.Cut(block, "=")
	var have []string
	if err := json.Unmarshal([]byte(list), &have); err != nil || !found || !slices.Contains(have, capability) {
		t.Fatalf("the policy does not give %s on %s", capability, path)
	}
	if have = slices.DeleteFunc(have, func(c string) bool { return c == capability }); len(have) == 0 {
		have = []string{"deny"}
	}
	return head + fmt.Sprintf("path %q {\n%s\n}", "secret/"+path, attribute("capabilities", have)) + tail
}
