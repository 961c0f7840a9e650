package oauthtest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/url"
	"testing"
	"time"
)

// sign makes a JWT; sig is given the SHA-256 of what is signed, and the text.
func sign(t *testing.T, alg string, claims map[string]any, sig func(digest, text []byte) ([]byte, error)) string {
	t.Helper()
	part := func(v any) string {
		text, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return base64.RawURLEncoding.EncodeToString(text)
	}
	text := part(map[string]string{"alg": alg}) + "." + part(claims)
	digest := sha256.Sum256([]byte(text))
	signature, err := sig(digest[:], []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return text + "." + base64.RawURLEncoding.EncodeToString(signature)
}

func newEC(t *testing.T) (*ecdsa.PrivateKey, func(digest, text []byte) ([]byte, error)) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key, func(digest, _ []byte) ([]byte, error) {
		r, s, err := ecdsa.Sign(rand.Reader, key, digest)
		out := make([]byte, 64)
		r.FillBytes(out[:32])
		s.FillBytes(out[32:])
		return out, err
	}
}

func claimsOf(s *Server, id string) map[string]any {
	return map[string]any{
		"iss": id, "sub": id, "aud": s.URL(), "exp": time.Now().Add(time.Minute).Unix(), "jti": rand.Text(),
	}
}

func asserted(t *testing.T, s *Server, jwt string, more url.Values) any {
	t.Helper()
	form := url.Values{
		"grant_type": {"client_credentials"}, "client_assertion_type": {assertionType}, "client_assertion": {jwt},
	}
	maps.Copy(form, more)
	answer := postForm(t, s.TokenURL(), form)
	if answer["access_token"] != nil {
		return nil
	}
	return answer["error"]
}

func TestAssertionRefusals(t *testing.T) {
	s := newPlain(t)
	key, es256 := newEC(t)
	_, foreign := newEC(t)
	s.Register(Client{ID: "k", Methods: []string{PrivateKeyJWT}, Key: key.Public()})
	jwt := sign(t, "ES256", claimsOf(s, "k"), es256)
	if got := asserted(t, s, jwt, nil); got != nil {
		t.Fatalf("a good assertion: %v", got)
	}
	if got := asserted(t, s, jwt, nil); got != "invalid_client" {
		t.Errorf("its second use: %v", got)
	}
	for name, change := range map[string]map[string]any{
		"aud": {"aud": "https://other.example.com"}, "no aud": {"aud": nil},
		"expired":  {"exp": time.Now().Add(-time.Second).Unix()},
		"too long": {"exp": time.Now().Add(time.Hour).Unix()}, "no exp": {"exp": 0}, "iss": {"iss": "x"}, "no jti": {"jti": ""},
		"unknown client": {"iss": "x", "sub": "x"}, "another client": {"iss": "a", "sub": "a"},
	} {
		claims := claimsOf(s, "k")
		maps.Copy(claims, change)
		if got := asserted(t, s, sign(t, "ES256", claims, es256), nil); got != "invalid_client" {
			t.Errorf("%s: %v", name, got)
		}
	}
	for name, jwt := range map[string]string{
		"another key": sign(t, "ES256", claimsOf(s, "k"), foreign), "alg": sign(t, "ES384", claimsOf(s, "k"), es256),
		"none":    sign(t, "none", claimsOf(s, "k"), func(_, _ []byte) ([]byte, error) { return nil, nil }),
		"garbage": "a.b.c",
	} {
		if got := asserted(t, s, jwt, nil); got != "invalid_client" {
			t.Errorf("%s: %v", name, got)
		}
	}
	for name, more := range map[string]url.Values{
		"client_id": {"client_id": {"x"}}, "secret": {"client_secret": {"x"}}, "type": {"client_assertion_type": {"x"}},
	} {
		if got := asserted(t, s, sign(t, "ES256", claimsOf(s, "k"), es256), more); got != "invalid_client" {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestAssertionAlgorithms(t *testing.T) {
	s := newPlain(t)
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	edPublic, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	s.Register(Client{ID: "r", Methods: []string{PrivateKeyJWT}, Key: private.Public()})
	s.Register(Client{ID: "e", Methods: []string{PrivateKeyJWT}, Key: edPublic})
	claims := claimsOf(s, "r")
	claims["aud"] = []string{"https://other.example.com", s.TokenURL()}
	for alg, jwt := range map[string]string{
		"RS256": sign(t, "RS256", claims, func(d, _ []byte) ([]byte, error) {
			return rsa.SignPKCS1v15(rand.Reader, private, crypto.SHA256, d)
		}),
		"PS256": sign(t, "PS256", claimsOf(s, "r"), func(d, _ []byte) ([]byte, error) {
			return rsa.SignPSS(rand.Reader, private, crypto.SHA256, d, nil)
		}),
		"EdDSA": sign(t, "EdDSA", claimsOf(s, "e"), func(_, text []byte) ([]byte, error) { return ed25519.Sign(ed, text), nil }),
	} {
		if got := asserted(t, s, jwt, nil); got != nil {
			t.Errorf("%s: %v", alg, got)
		}
	}
}
