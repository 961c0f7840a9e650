package oauth_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"bearerd/engine/oauth"
	"bearerd/secrets"
)

func rsaKey(t *testing.T) *rsa.PrivateKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func curveKey(t *testing.T, curve elliptic.Curve) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func pkcs8(t *testing.T, key crypto.Signer) string {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}

// asserted asks for a token with the key, and gives the header and the claims of what was sent, whose signature is right.
func asserted(t *testing.T, key secrets.Ref, public crypto.PublicKey, edit func(*oauth.Target)) (jose.Header, map[string]any, sent) {
	t.Helper()
	e := newEndpoint(t, 200, jsonType, testAnswer)
	c := delegated(e.url)
	c.GrantType, c.PrivateKeyPath, c.ClientSecret = "client_credentials", key, secrets.LiteralRef("not to be sent")
	to := target(c)
	if edit != nil {
		edit(to)
	}
	if _, err := oauth.ClientCredentials(t.Context(), discard, to, nothing, testID); err != nil {
		t.Fatal(err)
	}
	r := e.only(t)
	token, err := jwt.ParseSigned(r.form.Get("client_assertion"), []jose.SignatureAlgorithm{
		jose.RS256, jose.PS256, jose.RS512, jose.ES256, jose.ES384, jose.ES512, jose.EdDSA,
	})
	if err != nil {
		t.Fatal(err)
	}
	claims := map[string]any{}
	if err := token.Claims(public, &claims); err != nil {
		t.Fatal(err)
	}
	return token.Headers[0], claims, r
}

func TestAssertionOnTheWire(t *testing.T) {
	key := curveKey(t, elliptic.P256())
	ref := secrets.LiteralRef(pkcs8(t, key))
	before := float64(time.Now().Unix())
	header, claims, r := asserted(t, ref, key.Public(), func(to *oauth.Target) {
		to.Issuer, to.PrivateKeyID, to.Algs = "https://auth.example.com", "key-1", []string{"ES256"}
	})
	if header.KeyID != "key-1" || header.Algorithm != "ES256" || header.ExtraHeaders["typ"] != "JWT" {
		t.Errorf("header %+v", header)
	}
	iat, _ := claims["iat"].(float64)
	exp, _ := claims["exp"].(float64)
	if iat < before || iat > before+10 || exp != iat+60 {
		t.Errorf("iat %v, exp %v", iat, exp)
	}
	if claims["iss"] != "client-123" || claims["sub"] != "client-123" || claims["aud"] != "https://auth.example.com" {
		t.Errorf("claims %v", claims) // aud is a string, no list
	}
	if r.form.Get("client_assertion_type") != "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" || len(r.form) != 3 {
		t.Errorf("body %s", r.body) // beside them grant_type alone: no client_id, no client_secret
	}
	if r.header.Get("Authorization") != "" {
		t.Error("an Authorization header was sent")
	}
	_, again, _ := asserted(t, ref, key.Public(), nil)
	if claims["jti"] == again["jti"] || len(claims["jti"].(string)) < 20 {
		t.Errorf("jti %v, %v", claims["jti"], again["jti"])
	}
	if aud, _ := again["aud"].(string); !strings.HasPrefix(aud, "http://127.0.0.1:") {
		t.Errorf("without an issuer aud is %v", again["aud"])
	}
}

func TestAlgorithmOfAKey(t *testing.T) {
	r, edPublic, ed := rsaKey(t), ed25519.PublicKey(nil), ed25519.PrivateKey(nil)
	edPublic, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	p256, p384, p521 := curveKey(t, elliptic.P256()), curveKey(t, elliptic.P384()), curveKey(t, elliptic.P521())
	sec1, err := x509.MarshalECPrivateKey(p256)
	if err != nil {
		t.Fatal(err)
	}
	pkcs1Text := string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(r)}))
	sec1Text := string(pem.EncodeToMemory(&pem.Block{Type: "EC PARAMETERS", Bytes: []byte{6, 1, 1}})) +
		string(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: sec1}))
	for name, test := range map[string]struct {
		text   string
		public crypto.PublicKey
		algs   []string
		want   string
	}{
		"RSA":           {pkcs8(t, r), r.Public(), nil, "RS256"},
		"RSA, both":     {pkcs8(t, r), r.Public(), []string{"PS256", "RS256"}, "RS256"},
		"RSA, PS256":    {pkcs1Text, r.Public(), []string{"ES256", "PS256"}, "PS256"},
		"RSA, RS512":    {pkcs1Text, r.Public(), []string{"RS512"}, "RS512"},
		"P-256, SEC 1":  {sec1Text, p256.Public(), []string{"RS256", "ES256"}, "ES256"},
		"P-384":         {pkcs8(t, p384), p384.Public(), nil, "ES384"},
		"P-521":         {pkcs8(t, p521), p521.Public(), nil, "ES512"},
		"Ed25519":       {pkcs8(t, ed), edPublic, []string{"EdDSA"}, "EdDSA"},
		"text before":   {"key of bearerd\n" + pkcs8(t, ed), edPublic, nil, "EdDSA"},
		"no line break": {strings.TrimSpace(pkcs8(t, ed)), edPublic, nil, "EdDSA"},
	} {
		t.Run(name, func(t *testing.T) {
			header, _, _ := asserted(t, secrets.LiteralRef(test.text), test.public, func(to *oauth.Target) { to.Algs = test.algs })
			if header.Algorithm != test.want || header.KeyID != "" {
				t.Errorf("%+v, want %s", header, test.want)
			}
		})
	}
}

func TestKeyIsReadAnew(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key.pem")
	for range 2 {
		key := curveKey(t, elliptic.P256())
		if err := os.WriteFile(path, []byte(pkcs8(t, key)), 0o600); err != nil {
			t.Fatal(err)
		}
		asserted(t, fileRef(path), key.Public(), nil)
	}
}

func TestKeyThatCannotSign(t *testing.T) {
	p224, weak := curveKey(t, elliptic.P224()), pkcs8(t, curveKey(t, elliptic.P256()))
	const no = `it holds no private key as PEM in PKCS#8, PKCS#1 or SEC 1 that is not encrypted`
	block := func(kind string) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: []byte("canary")}))
	}
	missing := filepath.Join(t.TempDir(), "key.pem")
	for name, test := range map[string]struct {
		ref  secrets.Ref
		want string
	}{
		"missing":     {fileRef(missing), "Private key not found: " + missing},
		"variable":    {secrets.Ref{Kind: secrets.Env, Name: "BEARERD_TEST_ABSENT"}, `Private key cannot be read: env("BEARERD_TEST_ABSENT"): the environment variable is not set where bearerd runs`},
		"no PEM":      {secrets.LiteralRef("canary"), no},
		"certificate": {secrets.LiteralRef(block("CERTIFICATE")), no},
		"encrypted":   {secrets.LiteralRef(block("ENCRYPTED PRIVATE KEY")), no},
		"broken":      {secrets.LiteralRef(block("PRIVATE KEY")), no},
		"broken RSA":  {secrets.LiteralRef(block("RSA PRIVATE KEY")), no},
		"broken EC":   {secrets.LiteralRef(block("EC PRIVATE KEY")), no},
		"P-224":       {secrets.LiteralRef(pkcs8(t, p224)), "the kind of key is not supported: use RSA, P-256, P-384, P-521 or Ed25519"},
		"algorithm":   {secrets.LiteralRef(weak), "the key signs with ES256, but the server accepts RS256, x?: supply a key of another kind"},
	} {
		e := newEndpoint(t, 200, jsonType, testAnswer)
		c := delegated(e.url)
		c.PrivateKeyPath = test.ref
		to := target(c)
		to.Algs = []string{"RS256", "x\x1b"}
		_, err := oauth.Exchange(t.Context(), discard, to, nothing, testCode, authorization(), testID)
		got := asError(t, err)
		if !got.Unsent || !strings.HasPrefix(got.Error(), "OAuth token request not sent: OAUTH_PRIVATE_KEY_PATH: ") ||
			!strings.HasSuffix(got.Error(), test.want) || strings.Contains(got.Error(), "canary") {
			t.Errorf("%s:\n got %v\nwant %s", name, got, test.want)
		}
	}
}

func TestAssertionForARevocation(t *testing.T) {
	e := newEndpoint(t, 200, jsonType, "")
	c := delegated(e.url)
	c.PrivateKeyPath = secrets.LiteralRef(pkcs8(t, curveKey(t, elliptic.P256())))
	if err := revoke(t, c, secrets.New("some-token")); err != nil {
		t.Fatal(err)
	}
	if r := e.only(t); r.form.Get("client_assertion") == "" || r.form.Has("client_id") || r.form.Get("token") != "some-token" {
		t.Errorf("body %s", r.body)
	}
}

// Entra ID finds the key by its certificate (RFC 7515 §4.1.7, §4.1.8). Another certificate in the same PEM says nothing.
func TestAssertionNamesItsCertificate(t *testing.T) {
	t.Parallel()
	key, other := rsaKey(t), rsaKey(t)
	own, raw := selfSigned(t, key)
	foreign, _ := selfSigned(t, other)
	for name, c := range map[string]struct {
		text  string
		named bool
	}{
		"key alone":         {pkcs8(t, key), false},
		"key, certificate":  {pkcs8(t, key) + own, true},
		"certificate, key":  {own + pkcs8(t, key), true},
		"another's":         {foreign + pkcs8(t, key), false},
		"another's and own": {foreign + own + pkcs8(t, key), true},
	} {
		header, _, _ := asserted(t, secrets.LiteralRef(c.text), key.Public(), nil)
		old, thumbprint := sha1.Sum(raw), sha256.Sum256(raw)
		for field, sum := range map[jose.HeaderKey][]byte{"x5t": old[:], "x5t#S256": thumbprint[:]} {
			want := any(nil)
			if c.named {
				want = base64.RawURLEncoding.EncodeToString(sum)
			}
			if got := header.ExtraHeaders[field]; got != want {
				t.Errorf("%s: %s is %v, want %v", name, field, got, want)
			}
		}
	}
}

func selfSigned(t *testing.T, key crypto.Signer) (text string, raw []byte) {
	t.Helper()
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: raw})), raw
}
