// Package config reads the HCL configuration: types, loading, validation. It alone imports hcl. It resolves no secret
// and uses no network; it looks at files only to say that one is missing, readable by others, or no certificate.
package config

import (
	"time"

	"bearerd/secrets"
)

// Config is one loaded configuration, with defaults filled in and paths made absolute. It holds no source positions, so
// two of them compare with reflect.DeepEqual.
//
// A field with an hcl tag is an attribute of that name. The form tag says how a value is read that its Go type alone does
// not tell: "path" (~ expands, relative to the configuration file), "words" (a string, or a list joined by a space), "one
// or many" (a string, or a list of them). The reload tag is the Class of a change of the value; one that has none needs a
// restart, but for those of Log.
type Config struct {
	Log     Log
	Store   Store
	Shared  *Shared             // nil: tokens are kept in the state folder
	Vault   *secrets.Connection // nil: no vault block
	Proxy   Proxy
	Admin   Admin
	Use     *Use      // nil: other users of this host get no token
	Servers []*Server // sorted by name

	digest remembered // of one that a Watcher loaded
}

// Log is the log block.
type Log struct {
	Level  string `hcl:"level"`  // debug, info, warn, error
	Format string `hcl:"format"` // auto, text, json
}

// Store is the `store "file"` block: age-encrypted files.
type Store struct {
	Path     string      `hcl:"path" form:"path"` // the state folder
	Identity secrets.Ref `hcl:"identity"`         // the age identity; zero: kept in the state folder, made at first start
}

// Shared is the `store "vault"` block: tokens and secrets are kept in Vault, for many hosts. The local keys and the sealed
// copies of tokens stay in the state folder.
type Shared struct {
	Mount  string `hcl:"mount"`  // of a KV v2 engine; default "secret"
	Prefix string `hcl:"prefix"` // of every path; default "bearerd"
}

// Local says how a local HTTP listener treats its callers.
type Local struct {
	LocalAuth    string   `hcl:"local_auth" reload:"live"`     // key, none
	AllowHosts   []string `hcl:"allow_hosts" reload:"live"`    // beside loopback names
	AllowOrigins []string `hcl:"allow_origins" reload:"live"`  // beside loopback origins
	AllowRemote  bool     `hcl:"allow_remote" reload:"rebind"` // listen on other than loopback addresses
	SocketMode   string   `hcl:"socket_mode" reload:"live"`    // octal, of a unix socket; "": 0600, and 0660 with a group
	SocketGroup  string   `hcl:"socket_group" reload:"live"`   // name or number; "": that of the daemon
}

// Limits bound what callers of the proxy, and its upstreams, may use.
type Limits struct {
	MaxConnections int           `hcl:"max_connections" reload:"live"` // of callers, over all listeners
	MaxHeadBytes   int           `hcl:"max_head_bytes" reload:"live"`  // of a request line with its headers
	MaxBodyBytes   int           `hcl:"max_body_bytes" reload:"live"`  // of a request body
	MaxAnswerHead  int           `hcl:"max_answer_head_bytes" reload:"live"`
	ReplayBytes    int           `hcl:"replay_bytes" reload:"live"`  // of a request body that are kept, so that it can be sent again
	HeadTimeout    time.Duration `hcl:"head_timeout" reload:"live"`  // for a request line with its headers, from its first byte or the connection on
	BodyTimeout    time.Duration `hcl:"body_timeout" reload:"live"`  // without a byte of a request body
	IdleTimeout    time.Duration `hcl:"idle_timeout" reload:"live"`  // of a connection between two requests
	WriteTimeout   time.Duration `hcl:"write_timeout" reload:"live"` // without a caller taking a byte of an answer that is there
}

// Proxy is the proxy block: the one listener that serves each url server at /NAME.
type Proxy struct {
	Listen string `hcl:"listen" reload:"rebind"` // HOST:PORT or unix:PATH
	Local
	FastPath bool `hcl:"fast_path" reload:"live"` // common requests to http upstreams do not go through net/http
	Limits
}

// Admin is the admin block: the REST API and the page.
type Admin struct {
	Listen        string      `hcl:"listen"`               // "": no TCP listener
	PublicURL     string      `hcl:"public_url"`           // an origin: where browsers reach the callback; "": at Listen
	ConfDir       string      `hcl:"conf_dir" form:"path"` // where the API writes servers, loaded with the rest; "": conf.d of the folder
	AllowStdio    bool        `hcl:"allow_stdio"`          // the API may make servers that run a command
	AllowPrivate  []string    `hcl:"allow_private"`        // hosts, addresses, networks: private ones that servers made by the API may use
	MetricsListen string      `hcl:"metrics_listen"`       // "": /metrics is on Listen alone
	MetricsKey    secrets.Ref `hcl:"metrics_key"`          // opens /metrics and nothing else
}

// Use is the use block: a unix socket where other users of this host get the access tokens of the servers that list them.
type Use struct {
	Socket string `hcl:"socket" form:"path"`
	Mode   string `hcl:"mode"`  // octal; default 0666, and 0660 with a group. Who asks is looked at whatever it is
	Group  string `hcl:"group"` // name or number; "": that of the daemon
}

// Server is one server block.
type Server struct {
	Name      string
	Made      bool   // the API wrote its file: it comes from outside, see made.go
	MovedFrom string `hcl:"moved_from" reload:"none"` // the name that it had: what is stored of it comes along

	Command string                 `hcl:"command" reload:"respawn"` // with Args: a stdio server
	Args    []string               `hcl:"args" reload:"respawn"`
	Env     map[string]secrets.Ref `hcl:"env" reload:"respawn"`
	PassEnv []string               `hcl:"pass_env" reload:"respawn"`        // names of bearerd's variables that the child gets too
	Dir     string                 `hcl:"dir" form:"path" reload:"respawn"` // working directory of the child; "": bearerd's own

	URL     string                 `hcl:"url" reload:"retoken"` // a Streamable HTTP server
	Headers map[string]secrets.Ref `hcl:"headers" reload:"live"`
	Replay  string                 `hcl:"replay" reload:"live"`   // challenge, always, never: when a refused request is sent again
	Listen  string                 `hcl:"listen" reload:"rebind"` // a listener of its own, at the path of URL
	Local

	InjectEnv      []string      `hcl:"inject_env" reload:"respawn"` // nil: the six documented variables
	TokenFile      string        `hcl:"token_file" form:"path" reload:"respawn"`
	TokenFileMode  string        `hcl:"token_file_mode" reload:"respawn"` // octal, default 0600
	TokenFileGroup string        `hcl:"token_file_group" reload:"respawn"`
	Via            string        `hcl:"via" reload:"respawn"` // proxy, header: how mcp-remote gets the token
	StopGrace      time.Duration `hcl:"stop_grace" reload:"live"`
	KillGrace      time.Duration `hcl:"kill_grace" reload:"live"`

	OnRotate     string `hcl:"on_rotate" reload:"respawn"`   // replay, restart, signal, none: what happens to a child as its token ends
	OnRotateBusy string `hcl:"on_rotate_busy" reload:"live"` // error, wait: what becomes of requests that are open then
	Signal       string `hcl:"signal" reload:"live"`         // with on_rotate = "signal": SIGHUP, SIGUSR1, SIGUSR2
	Restart      string `hcl:"restart" reload:"live"`        // never, on_failure, always; "": on_failure once it has answered, see Restarts

	RevokeOnShutdown bool `hcl:"revoke_on_shutdown" reload:"live"`

	Login        string   `hcl:"login" reload:"live"`         // command, auto: who may open a browser when a person must sign in
	AllowStepUp  []string `hcl:"allow_step_up" reload:"live"` // scopes that upstream may demand beyond OAUTH_SCOPE
	AllowPrivate []string `hcl:"allow_private" reload:"live"` // hosts, addresses, networks: private ones that metadata may name

	AllowUsers  []string `hcl:"allow_users" reload:"live"`  // names or numbers: who gets the token at Use.Socket beside the daemon's user
	AllowGroups []string `hcl:"allow_groups" reload:"live"` // the same for whoever is in one of them

	OAuth *OAuth // nil: no oauth_config block
}

// OAuth is the oauth_config block: the documented fields under their documented names. It is the only description of
// them; engine and inject read it.
type OAuth struct {
	Enabled  bool  `hcl:"enabled" reload:"retoken"`
	IsRemote *bool `hcl:"is_remote" reload:"respawn"` // nil: detected

	Version      string      `hcl:"OAUTH_VERSION" reload:"live"` // 2.0, 2.1
	GrantType    string      `hcl:"OAUTH_GRANT_TYPE" reload:"retoken"`
	ClientID     string      `hcl:"OAUTH_CLIENT_ID" reload:"retoken"`
	ClientSecret secrets.Ref `hcl:"OAUTH_CLIENT_SECRET" reload:"live"`
	RefreshToken secrets.Ref `hcl:"OAUTH_REFRESH_TOKEN" reload:"live"` // what the grant refresh_token starts from
	TokenURL     string      `hcl:"OAUTH_TOKEN_URL" reload:"retoken"`  // "": discovered

	AuthorizationURL    string                 `hcl:"OAUTH_AUTHORIZATION_URL" reload:"retoken"` // "": discovered
	DeviceURL           string                 `hcl:"OAUTH_DEVICE_AUTHORIZATION_URL" reload:"live"`
	RegistrationURL     string                 `hcl:"OAUTH_REGISTRATION_URL" reload:"live"`
	ServerURL           string                 `hcl:"OAUTH_SERVER_URL" reload:"retoken"`                // where discovery starts in place of the server's own URL
	RedirectURI         string                 `hcl:"OAUTH_REDIRECT_URI" reload:"live"`                 // "": on a port that is free
	UsePKCE             bool                   `hcl:"OAUTH_USE_PKCE" reload:"live"`                     // RFC 7636
	CodeChallengeMethod string                 `hcl:"OAUTH_CODE_CHALLENGE_METHOD" reload:"live"`        // S256; "": S256, if the metadata has it
	ClientMetadataURL   string                 `hcl:"OAUTH_CLIENT_METADATA_URL" reload:"retoken"`       // the client id where such documents are supported
	PrivateKeyPath      secrets.Ref            `hcl:"OAUTH_PRIVATE_KEY_PATH" form:"path" reload:"live"` // PEM; private_key_jwt
	PrivateKeyID        string                 `hcl:"OAUTH_PRIVATE_KEY_ID" reload:"live"`               // kid of what it signs
	AuthorizationParams map[string]secrets.Ref `hcl:"OAUTH_AUTHORIZATION_PARAMS" reload:"live"`         // of the authorization request

	Audience     string   `hcl:"OAUTH_AUDIENCE" reload:"retoken"`
	Organization string   `hcl:"OAUTH_ORGANIZATION" reload:"retoken"`
	Scope        string   `hcl:"OAUTH_SCOPE" form:"words" reload:"retoken"`          // space-separated
	Resource     []string `hcl:"OAUTH_RESOURCE" form:"one or many" reload:"retoken"` // RFC 8707; nil: not written; empty: "" was written, send none

	UseBasicAuth      *bool `hcl:"OAUTH_USE_BASIC_AUTH" reload:"live"` // nil: not written: as the metadata says, else true
	EnforceHTTPS      bool  `hcl:"OAUTH_ENFORCE_HTTPS" reload:"live"`
	TokenInHeaderOnly bool  `hcl:"OAUTH_TOKEN_IN_HEADER_ONLY" reload:"live"`
	ValidateScopes    bool  `hcl:"OAUTH_VALIDATE_SCOPES" reload:"live"`

	TokenExpiryBuffer int `hcl:"OAUTH_TOKEN_EXPIRY_BUFFER" reload:"live"` // seconds

	UseMTLS        bool        `hcl:"OAUTH_USE_MTLS" reload:"retoken"`
	ClientCertPath secrets.Ref `hcl:"OAUTH_CLIENT_CERT_PATH" form:"path" reload:"retoken"` // PEM
	ClientKeyPath  secrets.Ref `hcl:"OAUTH_CLIENT_KEY_PATH" form:"path" reload:"live"`     // PEM
	CABundlePath   secrets.Ref `hcl:"OAUTH_CA_BUNDLE_PATH" form:"path" reload:"live"`      // PEM; replaces the system roots

	RevocationURL string `hcl:"OAUTH_REVOCATION_URL" reload:"live"`

	AdditionalParams map[string]secrets.Ref `hcl:"OAUTH_ADDITIONAL_PARAMS" reload:"retoken"`
	CustomHeaders    map[string]secrets.Ref `hcl:"OAUTH_CUSTOM_HEADERS" reload:"live"`
}

// DefaultRedirect is where the answer to a sign-in arrives if OAUTH_REDIRECT_URI is not written.
const DefaultRedirect = "http://127.0.0.1:7413/callback"

// Rotating reports whether the grant is a chain of refresh tokens, each of which may be spent once.
func (o *OAuth) Rotating() bool { return o.GrantType == "refresh_token" || o.Delegated() }

// Delegated reports whether a person must approve the grant (RFC 6749 §4.1, RFC 8628).
func (o *OAuth) Delegated() bool { return o.GrantType == "authorization_code" }

// Discovers reports whether something that the grant needs is left out, so that metadata must say it.
func (o *OAuth) Discovers() bool {
	client := o.ClientID == "" && o.RegistrationURL == ""
	return o.TokenURL == "" || o.Delegated() && (o.AuthorizationURL == "" || client)
}

// Resource is where discovery starts (RFC 9728 §3.1): OAUTH_SERVER_URL, or the URL of the server; "": there is none.
func (s *Server) Resource() string {
	if s.OAuth != nil && s.OAuth.ServerURL != "" {
		return s.OAuth.ServerURL
	}
	return s.upstream()
}

// Delivery says how a server gets its token.
type Delivery string

// The deliveries.
const (
	DeliverEnv       Delivery = "env"       // stdio: in the environment of the child
	DeliverArguments Delivery = "arguments" // mcp-remote, curl: its arguments are rewritten
	DeliverHTTP      Delivery = "http"      // url: through the local proxy
)
