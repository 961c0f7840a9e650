// Package vault is a connection to a HashiCorp Vault or an OpenBao: a source of secrets, and a secrets.Store that many
// hosts share. It alone imports the Vault API. It knows paths, fields and bytes, never what they mean; the configuration
// alone decides what it does, no VAULT_* variable has an effect here; and no secret, token or wrapping token is in an
// error, in Status or in the log.
//
// There is one owner of every retry: calls are sent once, Run tries logins again.
package vault

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/vault/api"

	"bearerd/secrets"
)

// Client is a connection to one Vault. Use Open to make one. Its methods are safe for many goroutines.
type Client struct {
	conn    secrets.Connection
	resolve *secrets.Resolver
	kept    secrets.Store // for an unwrapped secret id; may be nil
	log     *slog.Logger
	wire    *wire
	base    *api.Client // is copied for each login and never used itself: a client in use may not be copied

	turn chan struct{} // held during a login
	wake chan struct{} // tells Run that there is something to do

	mu       sync.Mutex // guards what follows
	session  *session   // nil: not logged in
	failed   error      // of the last login, nil when it succeeded
	failures int        // logins that failed since the last good one
	retryAt  time.Time  // no login before
	unkept   keptID     // an unwrapped secret id, beside the one that kept has
	mounts   map[string]bool
	usable   bool // Vault answers and lets us in
	told     bool // Run has called up for it
	status   Status
}

// Open prepares a connection and checks what can be checked without the network: the first use logs in, or Run. resolve
// reads what the auth block refers to; it must not read from this Vault. kept is the local store, where the secret id
// from a wrapping token stays; nil: in memory only. log may be nil. The error names the field and the remedy.
func Open(c *secrets.Connection, resolve *secrets.Resolver, kept secrets.Store, log *slog.Logger) (*Client, error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	conn := withDefaults(*c)
	if err := check(&conn); err != nil {
		return nil, fmt.Errorf("vault: %w", err)
	}
	w, err := newWire(&conn)
	if err != nil {
		return nil, fmt.Errorf("vault: %w", err)
	}
	base, err := newAPI(&conn, w)
	if err != nil {
		return nil, fmt.Errorf("vault: %w", err)
	}
	return &Client{
		conn: conn, resolve: resolve, kept: kept, log: log, wire: w, base: base,
		turn: make(chan struct{}, 1), wake: make(chan struct{}, 1), mounts: map[string]bool{},
		status: Status{Address: conn.Address, Auth: conn.Auth.Method, Since: time.Now()},
	}, nil
}

func withDefaults(c secrets.Connection) secrets.Connection {
	c.Address = strings.TrimRight(c.Address, "/")
	c.Mount = strings.Trim(cmp.Or(c.Mount, "secret"), "/")
	c.Timeout = cmp.Or(c.Timeout, 20*time.Second)
	c.Auth.Mount = strings.Trim(cmp.Or(c.Auth.Mount, c.Auth.Method), "/")
	if c.Auth.Method == "kubernetes" && c.Auth.JWT.IsZero() {
		c.Auth.JWT = secrets.Ref{Kind: secrets.File, Name: "/var/run/secrets/kubernetes.io/serviceaccount/token"}
	}
	return c
}

func check(c *secrets.Connection) error {
	u, err := url.Parse(c.Address)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http":
		return errors.New(`address: it must be a URL such as "https://vault.example.com:8200"`)
	case u.User != nil:
		return errors.New("address: a user and password have no place in it, remove them")
	case (c.ClientCertPath == "") != (c.ClientKeyPath == ""):
		return errors.New("client_cert_path and client_key_path: write both or none")
	case c.Auth.Method == "cert" && c.ClientCertPath == "":
		return errors.New(`auth "cert" needs client_cert_path and client_key_path in the vault block`)
	case c.Auth.Method == "cert" && u.Scheme != "https":
		return errors.New(`auth "cert" needs an https address`)
	}
	for _, r := range []secrets.Ref{c.Auth.Token, c.Auth.RoleID, c.Auth.SecretID, c.Auth.JWT} {
		if r.Kind == secrets.Vault {
			return fmt.Errorf("auth %q: %s cannot be read before the login: keep it elsewhere", c.Auth.Method, r)
		}
	}
	return nil
}

// Close ends what Run and the first use began: it revokes the token that bearerd logged in for, which takes at most
// 3 s, and closes the connections. Nothing may be called afterwards. A token given with auth "token" stays valid.
func (c *Client) Close(ctx context.Context) {
	c.mu.Lock()
	s := c.session
	c.session = nil
	c.mu.Unlock()
	if s != nil {
		c.revoke(ctx, s)
	}
	c.wire.CloseIdleConnections()
}
