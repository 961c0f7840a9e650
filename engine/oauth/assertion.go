package oauth

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"bearerd/secrets"
)

const (
	assertionKey  = "Private key" // as an error names it
	assertionLife = time.Minute
)

var errNoKey = errors.New("it holds no private key as PEM in PKCS#8, PKCS#1 or SEC 1 that is not encrypted")

// assertion is the JWT by which a client proves itself (RFC 7523 §2.2, §3), good for one request within a minute. Its
// audience is the issuer; where none is known, the token endpoint.
func assertion(ctx context.Context, t *Target, r *secrets.Resolver) (string, error) {
	key, alg, cert, err := signingKey(ctx, t, r)
	if err != nil {
		return "", fmt.Errorf("OAUTH_PRIVATE_KEY_PATH: %w", err)
	}
	options := new(jose.SignerOptions).WithType("JWT")
	if cert != nil { // Entra ID finds the key by it, older issuers by the SHA-1 (RFC 7515 §4.1.7, §4.1.8)
		old, thumbprint := sha1.Sum(cert.Raw), sha256.Sum256(cert.Raw)
		options = options.WithHeader("x5t", base64.RawURLEncoding.EncodeToString(old[:])).
			WithHeader("x5t#S256", base64.RawURLEncoding.EncodeToString(thumbprint[:]))
	}
	if t.PrivateKeyID != "" {
		options = options.WithHeader("kid", t.PrivateKeyID)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: key}, options)
	if err != nil {
		return "", fmt.Errorf("OAUTH_PRIVATE_KEY_PATH: the key cannot sign with %s", alg)
	}
	audience := t.Issuer
	if audience == "" {
		audience = t.TokenURL
	}
	now := time.Now()
	signed, err := jwt.Signed(signer).Claims(map[string]any{ // jwt.Claims would make the audience a list
		"iss": t.ClientID, "sub": t.ClientID, "aud": audience, "jti": rand.Text(),
		"iat": now.Unix(), "exp": now.Add(assertionLife).Unix(),
	}).Serialize()
	if err != nil {
		return "", fmt.Errorf("OAUTH_PRIVATE_KEY_PATH: the key cannot sign with %s", alg)
	}
	return signed, nil
}

// signingKey reads the key anew, so that one that was replaced counts at once, and its certificate if that is in the same
// PEM.
func signingKey(
	ctx context.Context, t *Target, r *secrets.Resolver,
) (key crypto.Signer, alg jose.SignatureAlgorithm, cert *x509.Certificate, err error) {
	text, err := readPEM(ctx, assertionKey, t.PrivateKeyPath, r)
	if err != nil {
		return nil, "", nil, err
	}
	key, err = parseKey(text)
	if err != nil {
		return nil, "", nil, &materialError{assertionKey, place(t.PrivateKeyPath), err}
	}
	alg, err = algorithm(key, t.Algs)
	return key, alg, certificateOf(key, text), err
}

// certificateOf is the certificate in a PEM that is for a key; nil: there is none.
func certificateOf(key crypto.Signer, text []byte) *x509.Certificate {
	public, ok := key.Public().(interface{ Equal(crypto.PublicKey) bool })
	for block, rest := pem.Decode(text); ok && block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			continue
		}
		if cert, err := x509.ParseCertificate(block.Bytes); err == nil && public.Equal(cert.PublicKey) {
			return cert
		}
	}
	return nil
}

// parseKey takes the first private key. The errors of crypto/x509 are not kept: they speak of ASN.1.
func parseKey(text []byte) (crypto.Signer, error) {
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		var key any
		var err error
		switch block.Type {
		case "PRIVATE KEY":
			key, err = x509.ParsePKCS8PrivateKey(block.Bytes)
		case "RSA PRIVATE KEY":
			key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
		case "EC PRIVATE KEY":
			key, err = x509.ParseECPrivateKey(block.Bytes)
		default: // a certificate, or EC PARAMETERS
			continue
		}
		signer, ok := key.(crypto.Signer)
		if err != nil || !ok {
			return nil, errNoKey
		}
		return signer, nil
	}
	return nil, errNoKey
}

// algorithm is the first usual one for the key that the server accepts (RFC 7518 §3.1, RFC 8037 §3.1); no list accepts all.
func algorithm(key crypto.Signer, accepted []string) (jose.SignatureAlgorithm, error) {
	var usual []jose.SignatureAlgorithm
	switch k := key.(type) {
	case *rsa.PrivateKey:
		usual = []jose.SignatureAlgorithm{jose.RS256, jose.PS256, jose.RS384, jose.PS384, jose.RS512, jose.PS512}
	case ed25519.PrivateKey:
		usual = []jose.SignatureAlgorithm{jose.EdDSA}
	case *ecdsa.PrivateKey:
		usual = curves[k.Curve.Params().Name]
	}
	if len(usual) == 0 {
		return "", errors.New("the kind of key is not supported: use RSA, P-256, P-384, P-521 or Ed25519")
	}
	if len(accepted) == 0 {
		return usual[0], nil
	}
	for _, alg := range usual {
		if slices.Contains(accepted, string(alg)) {
			return alg, nil
		}
	}
	return "", fmt.Errorf("the key signs with %s, but the server accepts %s: supply a key of another kind",
		usual[0], shown(accepted...))
}

var curves = map[string][]jose.SignatureAlgorithm{"P-256": {jose.ES256}, "P-384": {jose.ES384}, "P-521": {jose.ES512}}
