package vault

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"bearerd/secrets"
	"bearerd/secrets/sealed"
	"bearerd/secrets/vault/vaulttest"
)

const readAll = `path "secret/data/*" { capabilities = ["read"] }`

// TestLogin has every auth method log in to a real Vault and read a secret.
func TestLogin(t *testing.T) {
	t.Parallel()
	server := vaulttest.Start(t)
	server.Policy("reader", readAll)
	server.Do("PUT", "secret/data/a", map[string]any{"data": map[string]any{"f": "canary-value"}})
	t.Run("token", func(t *testing.T) { testToken(t, server) })
	t.Run("approle", func(t *testing.T) { testAppRole(t, server) })
	t.Run("wrapped", func(t *testing.T) { testWrapped(t, server) })
	t.Run("jwt", func(t *testing.T) { testJWT(t, server) })
	t.Run("kubernetes", func(t *testing.T) { testKubernetes(t, server) })
	t.Run("cert", func(t *testing.T) { testCert(t, server) })
	t.Run("batch", func(t *testing.T) { testBatch(t, server) })
	t.Run("without default", func(t *testing.T) { testBlind(t, server) })
}

// mustRead wants the login to work.
func mustRead(t *testing.T, c *Client) {
	t.Helper()
	if value, err := c.Read(t.Context(), "a", "f"); err != nil || value != "canary-value" {
		t.Errorf("Read = %q, %v", value, err)
	}
	if s := c.Status(); !s.Up || s.Logins != 1 || s.LoginFailures != 0 || s.Error != "" {
		t.Errorf("the status is %+v", s)
	}
}

// mustFail wants the login to be refused with an error that has every part and no secret.
func mustFail(t *testing.T, conn *secrets.Connection, kept secrets.Store, parts ...string) {
	t.Helper()
	c, seen := open(t, conn, kept)
	_, err := c.Read(t.Context(), "a", "f")
	wantErr(t, err, secrets.ErrDenied, parts...)
	if err != nil {
		seen.check(err.Error())
	}
	if s := c.Status(); s.Up || s.LoginFailures != 1 || s.Error == "" {
		t.Errorf("the status is %+v", s)
	}
}

func testToken(t *testing.T, server *vaulttest.Server) {
	token := server.Token("1h", "reader")
	c, _ := open(t, given(server.Addr, token), nil)
	mustRead(t, c)
	if left := time.Until(c.Status().TokenExpires); left < 50*time.Minute || left > time.Hour {
		t.Errorf("the token expires in %s", left)
	}
	c.Close(t.Context())
	again, _ := open(t, given(server.Addr, token), nil) // it was given, so Close has not revoked it
	mustRead(t, again)
	mustFail(t, given(server.Addr, "hvs.canary-token"), nil, "403", "token: it has expired")
	auth := server.Do("POST", "auth/token/create", map[string]any{"num_uses": 5})["auth"].(map[string]any)
	mustFail(t, given(server.Addr, auth["client_token"].(string)), nil, "4 times more", "num_uses")
}

// role makes an AppRole and returns its role id.
func role(t *testing.T, server *vaulttest.Server, name string, settings map[string]any) string {
	t.Helper()
	_, _ = server.DoErr("POST", "sys/auth/approle", map[string]any{"type": "approle"})
	server.Do("POST", "auth/approle/role/"+name, settings)
	return server.Do("GET", "auth/approle/role/"+name+"/role-id", nil)["data"].(map[string]any)["role_id"].(string)
}

func secretID(server *vaulttest.Server, name string) string {
	answer := server.Do("POST", "auth/approle/role/"+name+"/secret-id", nil)
	return answer["data"].(map[string]any)["secret_id"].(string)
}

func approle(server *vaulttest.Server, roleID, id string) *secrets.Connection {
	return &secrets.Connection{Address: server.Addr, Auth: secrets.Auth{
		Method: "approle", RoleID: secrets.LiteralRef(roleID), SecretID: secrets.LiteralRef(id),
	}}
}

func testAppRole(t *testing.T, server *vaulttest.Server) {
	roleID := role(t, server, "plain", map[string]any{"token_policies": "reader", "token_ttl": "1h"})
	conn := approle(server, roleID, secretID(server, "plain"))
	c, _ := open(t, conn, nil)
	mustRead(t, c)
	accessors := func() int {
		list := server.Do("LIST", "auth/token/accessors", nil)["data"].(map[string]any)["keys"].([]any)
		return len(list)
	}
	before := accessors()
	c.Close(t.Context())
	if after := accessors(); after != before-1 {
		t.Errorf("Close left %d tokens of %d: it has not revoked its own", after, before)
	}
	mustFail(t, approle(server, roleID, "canary-secret-id"), nil, "auth/approle/login", "check role_id and secret_id")
	mustFail(t, approle(server, roleID, "hvs.canary-wrapping"), nil, "write wrapped = true")
	absent := approle(server, roleID, "canary-secret-id")
	absent.Auth.Mount = "nowhere"
	mustFail(t, absent, nil, "auth/nowhere")
}

// wrap returns a wrapping token of a new secret id.
func wrap(t *testing.T, server *vaulttest.Server, path string) string {
	t.Helper()
	req, err := http.NewRequest("POST", server.Addr+"/v1/"+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Vault-Token", server.RootToken)
	req.Header.Set("X-Vault-Wrap-TTL", "5m")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	var answer struct {
		Wrap struct{ Token string } `json:"wrap_info"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil || answer.Wrap.Token == "" {
		t.Fatalf("no wrapping token: %v", err)
	}
	return answer.Wrap.Token
}

func testWrapped(t *testing.T, server *vaulttest.Server) {
	roleID := role(t, server, "wrapped", map[string]any{"token_policies": "reader"})
	kept, err := sealed.Open(filepath.Join(t.TempDir(), "state"), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	conn := approle(server, roleID, wrap(t, server, "auth/approle/role/wrapped/secret-id"))
	conn.Auth.Wrapped = true
	for range 2 { // the second time after a restart, with the secret id that was kept
		c, _ := open(t, conn, kept)
		mustRead(t, c)
	}
	mustFail(t, conn, nil, "somebody else has unwrapped it")

	next := approle(server, roleID, wrap(t, server, "auth/approle/role/wrapped/secret-id"))
	next.Auth.Wrapped = true
	c, _ := open(t, next, kept)
	mustRead(t, c)

	foreign := approle(server, roleID, wrap(t, server, "auth/token/create"))
	foreign.Auth.Wrapped = true
	mustFail(t, foreign, kept, "auth/token/create", "was not used")

	plain := approle(server, roleID, secretID(server, "wrapped"))
	plain.Auth.Wrapped = true
	mustFail(t, plain, kept, "it is no wrapping token", "remove wrapped = true")
}

func signed(t *testing.T, key *rsa.PrivateKey, claims map[string]any) string {
	t.Helper()
	payload, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	enc := base64.RawURLEncoding
	text := enc.EncodeToString([]byte(`{"alg":"RS256","typ":"JWT"}`)) + "." + enc.EncodeToString(payload)
	sum := sha256.Sum256([]byte(text))
	sig, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	return text + "." + enc.EncodeToString(sig)
}

func testJWT(t *testing.T, server *vaulttest.Server) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	public, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	server.Do("POST", "sys/auth/ci", map[string]any{"type": "jwt"})
	server.Do("POST", "auth/ci/config", map[string]any{"jwt_validation_pubkeys": []string{
		string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public})),
	}})
	server.Do("POST", "auth/ci/role/bearerd", map[string]any{"role_type": "jwt", "user_claim": "sub",
		"bound_audiences": "vault", "token_policies": "reader"})
	now := time.Now()
	claims := map[string]any{"sub": "me", "aud": "vault", "exp": now.Add(time.Hour).Unix(), "iat": now.Unix()}
	conn := &secrets.Connection{Address: server.Addr, Auth: secrets.Auth{Method: "jwt", Mount: "ci", Role: "bearerd",
		JWT: secrets.LiteralRef(signed(t, key, claims))}}
	c, _ := open(t, conn, nil)
	mustRead(t, c)

	claims["aud"] = "another"
	conn.Auth.JWT = secrets.LiteralRef(signed(t, key, claims))
	mustFail(t, conn, nil, "auth/ci/login", "check role and jwt")
}

// testKubernetes lets a stand-in for the API server review the JWT, which is read again at each login.
func testKubernetes(t *testing.T, server *vaulttest.Server) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	cluster := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusCreated)
		_, _ = fmt.Fprint(w, `{"apiVersion":"authentication.k8s.io/v1","kind":"TokenReview","status":{`+
			`"authenticated":true,"audiences":["vault"],`+
			`"user":{"username":"system:serviceaccount:mcp:bearerd","uid":"u1","groups":["system:serviceaccounts"]}}}`)
	}))
	t.Cleanup(cluster.Close)
	server.Do("POST", "sys/auth/kubernetes", map[string]any{"type": "kubernetes"})
	server.Do("POST", "auth/kubernetes/config", map[string]any{
		"kubernetes_host":    cluster.URL,
		"kubernetes_ca_cert": string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cluster.Certificate().Raw})),
		"token_reviewer_jwt": signed(t, key, map[string]any{"sub": "reviewer"}), "disable_local_ca_jwt": true,
	})
	server.Do("POST", "auth/kubernetes/role/bearerd", map[string]any{"bound_service_account_names": "bearerd",
		"bound_service_account_namespaces": "mcp", "token_policies": "reader", "audience": "vault"})
	claims := func(name string) map[string]any {
		return map[string]any{"sub": "system:serviceaccount:mcp:" + name, "aud": []string{"vault"},
			"exp": time.Now().Add(time.Hour).Unix(), "nbf": time.Now().Add(-time.Minute).Unix(),
			"iat":           time.Now().Add(-time.Minute).Unix(),
			"kubernetes.io": map[string]any{"namespace": "mcp", "serviceaccount": map[string]any{"name": name, "uid": "u1"}}}
	}
	path := filepath.Join(t.TempDir(), "token")
	write := func(name string) {
		if err := os.WriteFile(path, []byte(signed(t, key, claims(name))+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	conn := &secrets.Connection{Address: server.Addr, Auth: secrets.Auth{Method: "kubernetes", Role: "bearerd",
		JWT: secrets.Ref{Kind: secrets.File, Name: path}}}
	mustFail(t, conn, nil, "jwt", path)
	write("another")
	mustFail(t, conn, nil, "check role")
	write("bearerd")
	c, _ := open(t, conn, nil)
	mustRead(t, c)
}

// certificate writes a client certificate with its key into folder, signed by itself, and returns it as PEM.
func certificate(t *testing.T, folder string) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "bearerd"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), BasicConstraintsValid: true,
		DNSNames: []string{"bearerd"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	rawKey, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: raw})
	for name, content := range map[string][]byte{
		"cert.pem": cert, "key.pem": pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: rawKey}),
	} {
		if err := os.WriteFile(filepath.Join(folder, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return string(cert)
}

// testCert logs in over TLS, and again with the certificate that has replaced the first one on disk.
func testCert(t *testing.T, server *vaulttest.Server) {
	folder := t.TempDir()
	server.Do("POST", "sys/auth/cert", map[string]any{"type": "cert"})
	first := map[string]any{"certificate": certificate(t, folder), "token_policies": "reader"}
	server.Do("POST", "auth/cert/certs/first", first)
	conn := &secrets.Connection{Address: server.TLSAddr, CAPath: server.CAFile, Auth: secrets.Auth{Method: "cert"},
		ClientCertPath: filepath.Join(folder, "cert.pem"), ClientKeyPath: filepath.Join(folder, "key.pem")}
	c, _ := open(t, conn, nil)
	mustRead(t, c)

	next := certificate(t, folder)
	mustFail(t, conn, nil, "auth/cert/login", "client_cert_path")
	first["certificate"] = next
	server.Do("POST", "auth/cert/certs/first", first)
	if _, err := c.loginInsteadOf(t.Context(), c.session); err != nil {
		t.Errorf("the login with a replaced certificate: %v", err)
	}
	if err := os.Remove(conn.ClientKeyPath); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(conn, &secrets.Resolver{}, nil, nil); err == nil {
		t.Error("a missing client_key_path was accepted")
	}
	testTrust(t, server)
}

// testTrust distrusts Vault with the wrong authority, and trusts it when the file has been replaced.
func testTrust(t *testing.T, server *vaulttest.Server) {
	folder := t.TempDir()
	conn := given(server.TLSAddr, server.RootToken)
	conn.CAPath = filepath.Join(folder, "ca.pem")
	if err := os.WriteFile(conn.CAPath, []byte(certificate(t, folder)), 0o600); err != nil {
		t.Fatal(err)
	}
	c, _ := open(t, conn, nil)
	_, err := c.Read(t.Context(), "a", "f")
	wantErr(t, err, secrets.ErrUnavailable, "ca_path")
	right, err := os.ReadFile(server.CAFile)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(conn.CAPath, right, 0o600); err != nil {
		t.Fatal(err)
	}
	await(t, "up with the right authority", run(t, c), 5*time.Second)
}

func testBatch(t *testing.T, server *vaulttest.Server) {
	roleID := role(t, server, "batch", map[string]any{"token_policies": "reader", "token_type": "batch", "token_ttl": "1h"})
	c, seen := open(t, approle(server, roleID, secretID(server, "batch")), nil)
	mustRead(t, c)
	c.Close(t.Context())
	if text := seen.log.String(); contains(text, "WARN") {
		t.Errorf("Close tried to revoke a batch token: %s", text)
	}
}

// testBlind has a token that may not look itself up: a policy that forbids something is still told from its end.
func testBlind(t *testing.T, server *vaulttest.Server) {
	roleID := role(t, server, "blind", map[string]any{"token_policies": "reader", "token_no_default_policy": true})
	c, _ := open(t, approle(server, roleID, secretID(server, "blind")), nil)
	mustRead(t, c)
	_, _, err := c.Store("secret", "else").Get(t.Context(), "k")
	wantErr(t, err, secrets.ErrNotFound)
	if _, err := c.Store("secret", "else").Put(t.Context(), "k", nil, ""); err == nil {
		t.Error("a write that no policy allows went through")
	}
	if s := c.Status(); s.Logins != 1 || !s.Up {
		t.Errorf("the status is %+v, want one login", s)
	}
}
