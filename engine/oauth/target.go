package oauth

import (
	"crypto/tls"

	"bearerd/config"
	"bearerd/secrets"
)

// Target is whom the requests of one grant go to, and as whom: the configuration of a server, completed by what was
// discovered and registered.
type Target struct {
	*config.OAuth          // its TokenURL, ClientID, ClientSecret, Scope … are those in force
	Issuer        string   // "": not discovered
	Method        string   // of client authentication, see Metadata.Method; "": as without metadata
	Algs          []string // SigningAlgs of the metadata, of which private_key_jwt takes the usual one for the key; nil: any
	Reach         Reach    // which addresses may be connected to

	Certificate *tls.Certificate // of the client, see KeyPair; nil: it is read for the request
}

// The ways a client proves itself at the token endpoint (RFC 7591 §2, RFC 8705 §2.1).
const (
	MethodNone          = "none"
	MethodBasic         = "client_secret_basic"
	MethodPost          = "client_secret_post"
	MethodPrivateKeyJWT = "private_key_jwt"
	MethodTLS           = "tls_client_auth"
)

// Metadata is what was found out about a protected resource (RFC 9728) and the authorization server that it names (RFC
// 8414, OpenID Connect Discovery). All of its URLs are checked. It is kept in the record, as JSON.
type Metadata struct {
	Resource string `json:"resource,omitempty"` // byte for byte; "": no document of the resource was found
	Scopes   string `json:"scopes,omitempty"`   // that the resource names, space-separated

	Issuer           string   `json:"issuer"`
	AuthorizationURL string   `json:"authorization_endpoint,omitempty"`
	TokenURL         string   `json:"token_endpoint,omitempty"`
	RegistrationURL  string   `json:"registration_endpoint,omitempty"`
	RevocationURL    string   `json:"revocation_endpoint,omitempty"`
	DeviceURL        string   `json:"device_authorization_endpoint,omitempty"`
	IssuerScopes     []string `json:"scopes_supported,omitempty"`
	AuthMethods      []string `json:"token_endpoint_auth_methods_supported,omitempty"`
	SigningAlgs      []string `json:"token_endpoint_auth_signing_alg_values_supported,omitempty"`
	ChallengeMethods []string `json:"code_challenge_methods_supported,omitempty"`
	ClientMetadata   bool     `json:"client_id_metadata_document_supported,omitempty"`
	IssuerInResponse bool     `json:"authorization_response_iss_parameter_supported,omitempty"` // RFC 9207
	Private          bool     `json:"private,omitempty"`                                        // the resource is at a private address
	DefaultEndpoints bool     `json:"default_endpoints,omitempty"`                              // there was no document: MCP 2025-03-26
}

// Registration is a client that an authorization server has made for us (RFC 7591 §3.2.1).
type Registration struct {
	ClientID     string
	ClientSecret secrets.Secret // zero: none
	Method       string         // of client authentication
	Expires      int64          // of the secret, Unix seconds; 0: never
}
