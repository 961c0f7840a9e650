package oauthtest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	_ "crypto/sha256" // the hashes of the algorithms below
	_ "crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"time"
)

const (
	assertionType     = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
	assertionLifetime = 10 * time.Minute // the longest that is accepted
)

var signingAlgorithms = []string{"ES256", "ES384", "ES512", "RS256", "PS256", "EdDSA"}

// assertion is a JWT that a client proves itself with (RFC 7523 §3). Nothing of it is true before it is verified.
type assertion struct {
	signed    string // header and payload
	signature []byte
	Alg       string `json:"alg"`
	Issuer    string `json:"iss"`
	Subject   string `json:"sub"`
	Audience  any    `json:"aud"` // a string or a list
	Expiry    int64  `json:"exp"`
	ID        string `json:"jti"`
}

func parseAssertion(compact string) (a assertion, err error) {
	parts := strings.Split(compact, ".")
	if len(parts) != 3 {
		return a, errors.New("the client_assertion is no JWT")
	}
	for _, part := range parts[:2] {
		text, err := base64.RawURLEncoding.DecodeString(part)
		if err != nil {
			return a, fmt.Errorf("the client_assertion: %w", err)
		}
		if err := json.Unmarshal(text, &a); err != nil {
			return a, fmt.Errorf("the client_assertion: %w", err)
		}
	}
	a.signed = parts[0] + "." + parts[1]
	a.signature, err = base64.RawURLEncoding.DecodeString(parts[2])
	return a, err
}

// assertedClient is whom the assertion is said to be of. A client_id beside it must be the same (RFC 7521 §4.2).
func (r Request) assertedClient() (id string, err error) {
	a, err := parseAssertion(r.Form.Get("client_assertion"))
	switch {
	case err != nil:
		return "", err
	case r.Form.Get("client_assertion_type") != assertionType:
		return "", errors.New("the client_assertion_type is not that of a JWT")
	case r.Form.Has("client_id") && r.Form.Get("client_id") != a.Subject:
		return "", errors.New("the client_id is not the sub of the client_assertion")
	}
	return a.Subject, nil
}

// checkAssertion verifies an assertion of c: signature, iss, sub, aud (the issuer or the token endpoint), exp, and a jti
// that was not seen before.
func (s *Server) checkAssertion(c Client, compact string) error {
	a, err := parseAssertion(compact)
	if err != nil {
		return err
	}
	life := time.Until(time.Unix(a.Expiry, 0))
	switch {
	case !verify(c.Key, a):
		return fmt.Errorf("%w: signature of the client_assertion", errAuthentication)
	case a.Issuer != c.ID || a.Subject != c.ID:
		return fmt.Errorf("%w: iss and sub of the client_assertion", errAuthentication)
	case !a.isFor(s.URL()) && !a.isFor(s.TokenURL()):
		return fmt.Errorf("%w: aud of the client_assertion", errAuthentication)
	case life <= 0 || life > assertionLifetime:
		return fmt.Errorf("%w: exp of the client_assertion", errAuthentication)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	once := c.ID + " " + a.ID
	if a.ID == "" || s.jtis[once] {
		return fmt.Errorf("%w: jti of the client_assertion", errAuthentication)
	}
	s.jtis[once] = true
	return nil
}

func (a assertion) isFor(audience string) bool {
	list, _ := a.Audience.([]any)
	return a.Audience == any(audience) || slices.Contains(list, any(audience))
}

// verify checks the signature by an algorithm that fits the key (RFC 7518 §3.1, RFC 8037 §3.1).
func verify(key crypto.PublicKey, a assertion) bool {
	switch key := key.(type) {
	case *ecdsa.PublicKey:
		return verifyECDSA(key, a)
	case *rsa.PublicKey:
		digest := sum(crypto.SHA256, a.signed)
		switch a.Alg {
		case "RS256":
			return rsa.VerifyPKCS1v15(key, crypto.SHA256, digest, a.signature) == nil
		case "PS256":
			return rsa.VerifyPSS(key, crypto.SHA256, digest, a.signature, nil) == nil
		}
	case ed25519.PublicKey:
		return a.Alg == "EdDSA" && ed25519.Verify(key, []byte(a.signed), a.signature)
	}
	return false
}

func verifyECDSA(key *ecdsa.PublicKey, a assertion) bool {
	var hash crypto.Hash
	switch bits := key.Params().BitSize; {
	case bits == 256 && a.Alg == "ES256":
		hash = crypto.SHA256
	case bits == 384 && a.Alg == "ES384":
		hash = crypto.SHA384
	case bits == 521 && a.Alg == "ES512":
		hash = crypto.SHA512
	default:
		return false
	}
	half := (key.Params().BitSize + 7) / 8
	if len(a.signature) != 2*half {
		return false
	}
	r, s := new(big.Int).SetBytes(a.signature[:half]), new(big.Int).SetBytes(a.signature[half:])
	return ecdsa.Verify(key, sum(hash, a.signed), r, s)
}

func sum(hash crypto.Hash, text string) []byte {
	h := hash.New()
	h.Write([]byte(text))
	return h.Sum(nil)
}
