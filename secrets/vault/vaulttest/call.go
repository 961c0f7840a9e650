package vaulttest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// Do calls Vault's API at path, which is without /v1/, with the root token, and returns the whole JSON answer: nil where
// it is empty. body is encoded as JSON; nil is none.
func (s *Server) Do(method, path string, body any) map[string]any {
	s.t.Helper()
	answer, err := s.DoErr(method, path, body)
	if err != nil {
		s.t.Fatal(err)
	}
	return answer
}

// DoErr is Do for a call that may fail, and for other goroutines. Any status but 2xx is an error that holds the status
// and Vault's text.
func (s *Server) DoErr(method, path string, body any) (map[string]any, error) {
	var content io.Reader
	if body != nil {
		raw, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		content = bytes.NewReader(raw)
	}
	req, err := http.NewRequest(method, s.Addr+"/v1/"+path, content)
	if err != nil {
		return nil, err
	}
	req.Header.Set("X-Vault-Token", s.RootToken)
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", method, path, err)
	}
	if resp.StatusCode/100 != 2 {
		return nil, fmt.Errorf("%s %s: %s: %s", method, path, resp.Status, bytes.TrimSpace(raw))
	}
	if len(raw) == 0 {
		return nil, nil
	}
	var answer map[string]any
	if err := json.Unmarshal(raw, &answer); err != nil {
		return nil, fmt.Errorf("%s %s: %w", method, path, err)
	}
	return answer, nil
}

// Policy writes the named ACL policy.
func (s *Server) Policy(name, hcl string) {
	s.t.Helper()
	s.Do("PUT", "sys/policies/acl/"+name, map[string]any{"policy": hcl})
}

// Token creates a renewable token with the policies and "default". ttl is a duration such as "30s"; "" is Vault's default.
func (s *Server) Token(ttl string, policies ...string) string {
	s.t.Helper()
	answer := s.Do("POST", "auth/token/create", map[string]any{"policies": policies, "ttl": ttl})
	auth, _ := answer["auth"].(map[string]any)
	token, _ := auth["client_token"].(string)
	if token == "" {
		s.t.Fatal("auth/token/create answered without a token")
	}
	return token
}

// initialise makes one unseal key, unseals, and mounts the two engines.
func (s *Server) initialise() {
	s.t.Helper()
	answer := s.Do("PUT", "sys/init", map[string]any{"secret_shares": 1, "secret_threshold": 1})
	s.RootToken, _ = answer["root_token"].(string)
	keys, _ := answer["keys_base64"].([]any)
	if len(keys) != 1 || s.RootToken == "" {
		s.t.Fatalf("sys/init answered with %d keys and a root token of %d bytes", len(keys), len(s.RootToken))
	}
	s.key, _ = keys[0].(string)
	s.Do("PUT", "sys/unseal", map[string]any{"key": s.key})
	for path, version := range map[string]string{"secret": "2", "kv1": "1"} {
		s.Do("POST", "sys/mounts/"+path, map[string]any{"type": "kv", "options": map[string]any{"version": version}})
	}
	s.settle()
}

// settle waits until the KV v2 engine serves: for a moment after a mount it answers 400 "Upgrading from non-versioned".
func (s *Server) settle() {
	s.t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for range 1000 {
		_, err := s.DoErr("GET", "secret/config", nil)
		if err == nil {
			return
		}
		if !strings.Contains(err.Error(), "400") && !strings.Contains(err.Error(), "503") {
			s.t.Fatal(err)
		}
		<-tick.C
	}
	s.t.Fatal("the KV v2 engine at secret/ does not serve within 20 s")
}
