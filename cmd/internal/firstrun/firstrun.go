// Package firstrun makes a first configuration of what a person answers: what each answer may be, which name a server gets,
// and the text of the file. It asks nobody, keeps no secret, and writes nothing but a file of its own for the moment in
// which the configuration's loader looks at it.
package firstrun

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"bearerd/config"
	"bearerd/secrets"
)

// What a person has.
const (
	Remote  = "remote"  // a server at a URL
	Program = "program" // one that is started on this machine
	File    = "file"    // the file of a client, which `bearerd import` is for
)

// How a server is signed in to.
const (
	Browser   = "browser"   // a person signs in; the client is registered, or found out
	OwnClient = "ownclient" // a person signs in, with a client that was registered by hand
	Machine   = "machine"   // client_credentials
	Refresh   = "refresh"   // from a refresh token that is there
	Key       = "key"       // with a key that has no end, and no OAuth
	NoToken   = "none"
)

// Where secrets and tokens are kept.
const (
	Files = "files"
	Vault = "vault"
)

// Answers are what was said so far; what was not asked for is empty.
type Answers struct {
	Kind, URL, Line string // Line is a command line
	Name            string // "": Suggested
	SignIn          string
	ServerURL       string // where discovery begins, for a program
	TokenURL, Scope string
	ClientID        string
	Secret, Refresh secrets.Secret
	Into            string // the header, or of a program the variable, that a key is put into; "": Authorization
	Store           string
	Address, Method string // of Vault
	Role, RoleFile  string // role or role id; the file with the secret id
}

// Server is the name that the server gets.
func (a *Answers) Server() string { return cmp.Or(a.Name, a.Suggested()) }

// Delegated reports whether a person must sign in.
func (a *Answers) Delegated() bool { return a.SignIn == Browser || a.SignIn == OwnClient }

// Secrets are the values that the file refers to, by their names in the store.
func (a *Answers) Secrets() map[string]secrets.Secret {
	values := map[string]secrets.Secret{}
	if a.hasSecret() {
		values[a.Server()] = a.Secret
	}
	if a.SignIn == Key && a.Kind == Remote && strings.EqualFold(a.carrier(), authorization) && !strings.Contains(a.Secret.Reveal(), " ") {
		values[a.Server()] = secrets.New("Bearer " + a.Secret.Reveal())
	}
	if a.SignIn == Refresh {
		values[a.Server()+refreshName] = a.Refresh
	}
	return values
}

func (a *Answers) hasSecret() bool {
	return !a.Secret.IsZero() && a.SignIn != Browser && a.SignIn != NoToken
}

const authorization = "Authorization"

// carrier is the header, or of a program the variable, that a key is put into.
func (a *Answers) carrier() string { return cmp.Or(a.Into, authorization) }

// signsIn reports whether there is a token to get.
func (a *Answers) signsIn() bool { return a.SignIn != "" && a.SignIn != Key && a.SignIn != NoToken }

// refreshName goes behind a server's name for its refresh token.
const refreshName = "/refresh-token"

// Config is what the loader makes of the answers, and what it has to say.
func (a *Answers) Config() (*config.Config, config.Diagnostics, error) {
	dir, err := os.MkdirTemp("", "bearerd")
	if err != nil {
		return nil, nil, fmt.Errorf("looking at the configuration before it is written: %w", err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "bearerd.hcl")
	if err := os.WriteFile(path, a.Text(), 0o600); err != nil {
		return nil, nil, fmt.Errorf("looking at the configuration before it is written: %w", err)
	}
	cfg, diagnostics := config.Load(path)
	return cfg, diagnostics, nil
}

// Wrong is the first error about one of the fields, "" for what is about no field: what else is wrong belongs to questions
// that are still to come.
func (a *Answers) Wrong(fields ...string) error {
	_, diagnostics, err := a.Config()
	if err != nil {
		return err
	}
	for _, d := range diagnostics {
		if d.Severity == config.Error && slices.Contains(fields, d.Field) {
			return errors.New(d.Message + ": " + d.Remedy)
		}
	}
	return nil
}
