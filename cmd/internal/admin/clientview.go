package admin

import (
	"net/http"
	"net/url"
	"path/filepath"
	"strings"

	"bearerd/config"
	"bearerd/engine"
	"bearerd/inject/proxy"
	"bearerd/secrets"
)

// Client is a server as the API shows it. It holds no secret.
type Client struct {
	ID               string          `json:"id"`                        // its name, as mcp_client_id is
	MCPClientID      string          `json:"mcp_client_id"`             //
	OAuthConfigID    string          `json:"oauth_config_id,omitempty"` // absent: no token is kept for it
	Name             string          `json:"name"`                      //
	Made             bool            `json:"made"`                      // the API made it, and may change it
	ConnectionType   string          `json:"connection_type"`           // http, sse, stdio
	ConnectionString string          `json:"connection_string"`         // the URL without the values of its query, or the program
	AuthType         string          `json:"auth_type"`                 // oauth, headers, none
	GrantType        string          `json:"grant_type,omitempty"`      //
	Delivery         config.Delivery `json:"delivery"`                  //
	OAuth            *ClientOAuth    `json:"oauth_config,omitempty"`    //
	Tools            []string        `json:"tools_to_execute"`          // always "*"
	State            string          `json:"state"`                     // connected, error
	Error            string          `json:"error,omitempty"`           // why it cannot be used
	Remedy           string          `json:"remedy,omitempty"`          //
	LocalURL         string          `json:"local_url,omitempty"`       // where local clients reach it; absent: over stdio, or a unix socket
	Token            *engine.Status  `json:"token,omitempty"`           //
	Upstream         *proxy.Outcome  `json:"upstream,omitempty"`        // of the latest request; absent: there was none yet
	History          []Point         `json:"history"`                   // of its token, the oldest first
}

// ClientOAuth is the OAuth configuration of a Client. Of its secrets it says that there are some.
type ClientOAuth struct {
	ClientID         string   `json:"client_id,omitempty"` // absent: one is registered
	HasClientSecret  bool     `json:"has_client_secret"`
	HasRefreshToken  bool     `json:"has_refresh_token"` // a configured one
	GrantType        string   `json:"grant_type"`
	AuthorizationURL string   `json:"authorize_url,omitempty"` // absent, as those below are: it is discovered
	TokenURL         string   `json:"token_url,omitempty"`
	RegistrationURL  string   `json:"registration_url,omitempty"`
	ServerURL        string   `json:"server_url,omitempty"`
	RevocationURL    string   `json:"revocation_url,omitempty"`
	DeviceURL        string   `json:"device_authorization_url,omitempty"`
	RedirectURI      string   `json:"redirect_uri,omitempty"`
	Scopes           []string `json:"scopes"`
	Resource         []string `json:"resource,omitempty"`
	Audience         string   `json:"audience,omitempty"`
	UseBasicAuth     *bool    `json:"use_basic_auth,omitempty"`
	Version          string   `json:"oauth_version"`
	EnforceHTTPS     bool     `json:"enforce_https"`
}

// The states of a Client.
const (
	connected  = "connected"
	notWorking = "error"
)

// The kinds of authentication, as the guide names them.
const (
	authOAuth   = "oauth"
	authHeaders = "headers"
	authNone    = "none"
)

func (a *API) listClients(w http.ResponseWriter, _ *http.Request) {
	list := []Client{}
	for _, s := range a.Config().Servers {
		list = append(list, a.view(s))
	}
	reply(w, list)
}

func (a *API) showClient(w http.ResponseWriter, r *http.Request) {
	s, err := a.server(r)
	if err != nil {
		fail(w, err)
		return
	}
	reply(w, a.view(s))
}

// server finds the server of a request, by either of its ids.
func (a *API) server(r *http.Request) (*config.Server, error) {
	name := strings.TrimPrefix(r.PathValue("id"), configPrefix)
	if s := a.Config().Server(name); s != nil {
		return s, nil
	}
	return nil, a.unknown(name)
}

// configPrefix and a server's name make its oauth_config_id. No name holds a dot.
const configPrefix = "oauth_cfg."

// view shows a server. It asks no store and no network.
func (a *API) view(s *config.Server) Client {
	c := Client{
		ID: s.Name, MCPClientID: s.Name, Name: s.Name, Made: s.Made, AuthType: authType(s), Tools: []string{"*"}, State: connected,
		History: a.Live.History(s.Name),
	}
	c.ConnectionType, c.ConnectionString = connection(s)
	c.Delivery, _ = s.Delivery()
	if address, local := proxy.Local(a.Config(), s); s.URL != "" && !isUnix(address) {
		c.LocalURL = local
	}
	if a.Upstream != nil {
		if last, ok := a.Upstream(s.Name); ok && !last.At.IsZero() {
			c.Upstream = &last
		}
	}
	if c.Upstream != nil && c.Upstream.Error != "" {
		c.State, c.Error = notWorking, c.Upstream.Error
	}
	if c.AuthType != authOAuth {
		return c
	}
	c.OAuthConfigID, c.GrantType, c.OAuth = configPrefix+s.Name, s.OAuth.GrantType, viewOAuth(s.OAuth)
	if source, err := a.Engine.Source(s.Name); err == nil {
		st := source.Status()
		c.Token, c.Remedy = &st, st.Remedy
		if !valid(st) {
			c.State, c.Error = notWorking, noToken(st)
		}
	}
	return c
}

// noToken says why no valid token is held.
func noToken(st engine.Status) string {
	switch {
	case st.Error != "":
		return st.Error
	case st.State == engine.Revoked:
		return "its token was revoked"
	}
	return "no token is held yet"
}

// valid reports whether a token is held that may be used.
func valid(st engine.Status) bool { return st.Status == "valid" || st.Status == "expiring" }

func isUnix(address string) bool { return strings.HasPrefix(address, "unix:") }

// authType is how upstream knows us.
func authType(s *config.Server) string {
	switch {
	case s.OAuth != nil && s.OAuth.Enabled:
		return authOAuth
	case len(s.Headers) > 0:
		return authHeaders
	}
	return authNone
}

// Transport is how clients reach a server: http, sse (the older HTTP+SSE) or stdio.
func Transport(s *config.Server) string {
	kind, _ := connection(s)
	return kind
}

// connection is how a server is reached. The proxy carries both HTTP transports alike, and nothing but the usual end of its
// path tells the older one.
func connection(s *config.Server) (kind, address string) {
	if s.URL == "" {
		return "stdio", filepath.Base(s.Command) // its arguments may hold secrets
	}
	if u, err := url.Parse(s.URL); err == nil && strings.HasSuffix(u.Path, "/sse") {
		return "sse", withoutValues(s.URL)
	}
	return "http", withoutValues(s.URL)
}

func viewOAuth(o *config.OAuth) *ClientOAuth {
	return &ClientOAuth{
		ClientID: o.ClientID, GrantType: o.GrantType,
		HasClientSecret: !o.ClientSecret.IsZero(), HasRefreshToken: !o.RefreshToken.IsZero(),
		AuthorizationURL: withoutValues(o.AuthorizationURL), TokenURL: withoutValues(o.TokenURL),
		RegistrationURL: withoutValues(o.RegistrationURL), ServerURL: withoutValues(o.ServerURL),
		RevocationURL: withoutValues(o.RevocationURL), DeviceURL: withoutValues(o.DeviceURL),
		RedirectURI: withoutValues(o.RedirectURI),
		Scopes:      words(o.Scope), Resource: mapped(o.Resource, withoutValues), Audience: o.Audience,
		UseBasicAuth: o.UseBasicAuth, Version: o.Version, EnforceHTTPS: o.EnforceHTTPS,
	}
}

// words is a scope as a list, which is never null.
func words(scope string) []string { return append([]string{}, strings.Fields(scope)...) }

func mapped(list []string, f func(string) string) (result []string) {
	for _, v := range list {
		result = append(result, f(v))
	}
	return result
}

// withoutValues is a URL with its query's values left out: a key may be among them.
func withoutValues(address string) string {
	before, query, found := strings.Cut(address, "?")
	if !found {
		return address
	}
	pairs := strings.Split(query, "&")
	for i, p := range pairs {
		name, _, named := strings.Cut(p, "=")
		if pairs[i] = "…"; named {
			pairs[i] = name + "=…"
		}
	}
	return before + "?" + strings.Join(pairs, "&")
}

// ownRef refers to a secret of a server that the API made.
func ownRef(server, field string) secrets.Ref {
	return secrets.Ref{Kind: secrets.Stored, Name: config.OwnSecret(server, field)}
}
