package secrets

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Kind says where a Ref points.
type Kind string

// The kinds of a Ref, named as the functions of the configuration.
const (
	Literal    Kind = "literal"    // the value itself, written into the configuration
	Env        Kind = "env"        // an environment variable of bearerd
	File       Kind = "file"       // a file, absolute by the time it is here
	Credential Kind = "credential" // a systemd credential: a file in $CREDENTIALS_DIRECTORY
	Stored     Kind = "secret"     // a value in the configured store, set by `bearerd secret set`
	Vault      Kind = "vault"      // a field of a KV v2 secret
)

// Ref says where a secret is kept. It is resolved each time it is used, never when the configuration is loaded.
// The zero Ref means that nothing was configured.
type Ref struct {
	Kind  Kind
	Name  string // the variable, path, credential, secret or Vault path
	Field string // Vault only
	Value Secret // Literal only
}

// IsZero reports whether nothing was configured.
func (r Ref) IsZero() bool { return r.Kind == "" }

// String writes the reference as the configuration does, never its value.
func (r Ref) String() string {
	switch r.Kind {
	case "":
		return ""
	case Literal:
		return "a literal"
	case Vault:
		return fmt.Sprintf("vault(%q, %q)", r.Name, r.Field)
	}
	return fmt.Sprintf("%s(%q)", r.Kind, r.Name)
}

// Identity tells references apart, for comparing and for fingerprints: like String, but a literal is told by the
// SHA-256 of its value.
func (r Ref) Identity() string {
	if r.Kind == Literal {
		return "literal:" + strconv.Quote(r.Value.Fingerprint())
	}
	return r.String()
}

// MayChange reports whether the value is kept where it can change while bearerd runs.
func (r Ref) MayChange() bool {
	return r.Kind == Vault || r.Kind == Stored || r.Kind == File || r.Kind == Credential
}

// LiteralRef is a Ref to the value itself.
func LiteralRef(value string) Ref { return Ref{Kind: Literal, Value: New(value)} }

// StoreKey is where `bearerd secret set NAME` keeps its value in a Store.
func StoreKey(name string) string { return "secret/" + name }

var validName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)*$`)

// ValidName reports whether a stored secret may have this name: parts of letters, digits and . _ -, joined by slashes,
// each beginning with a letter or a digit; at most 128 bytes.
func ValidName(name string) bool { return len(name) <= 128 && validName.MatchString(name) }

// Resolver reads the value that a Ref points to.
type Resolver struct {
	Store  Store                                                         // for Stored; nil: there is none
	Getenv func(string) (string, bool)                                   // nil: os.LookupEnv
	Vault  func(ctx context.Context, path, field string) (string, error) // reads a field of a KV v2 secret; nil: no Vault is configured
}

// Resolve reads the value; a trailing line end is cut, as files and variables often carry one. The error names the
// reference and the remedy, never a value.
func (r *Resolver) Resolve(ctx context.Context, ref Ref) (Secret, error) {
	return r.resolve(ctx, ref, "\x00\r\n")
}

// ResolveText is Resolve for a value that may have several lines, such as an age identity file.
func (r *Resolver) ResolveText(ctx context.Context, ref Ref) (Secret, error) {
	return r.resolve(ctx, ref, "\x00")
}

func (r *Resolver) resolve(ctx context.Context, ref Ref, refused string) (Secret, error) {
	value, err := r.read(ctx, ref)
	if err != nil {
		return Secret{}, fmt.Errorf("%s: %w", ref, err)
	}
	value = strings.TrimRight(value, "\r\n")
	switch {
	case value == "" && ref.Kind != Literal:
		return Secret{}, fmt.Errorf("%s: the value is empty", ref)
	case !utf8.ValidString(value) || strings.ContainsAny(value, refused):
		return Secret{}, fmt.Errorf("%s: the value holds a line break, a NUL or invalid UTF-8", ref)
	}
	return New(value), nil
}

func (r *Resolver) read(ctx context.Context, ref Ref) (string, error) {
	switch ref.Kind {
	case Literal:
		return ref.Value.Reveal(), nil
	case Env:
		lookup := r.Getenv
		if lookup == nil {
			lookup = os.LookupEnv
		}
		if v, ok := lookup(ref.Name); ok {
			return v, nil
		}
		return "", errors.New("the environment variable is not set where bearerd runs")
	case File:
		return readSmall(ref.Name)
	case Credential:
		dir := os.Getenv("CREDENTIALS_DIRECTORY")
		if dir == "" {
			return "", errors.New("CREDENTIALS_DIRECTORY is not set: add LoadCredential= to the systemd unit")
		}
		return readSmall(filepath.Join(dir, ref.Name))
	case Stored:
		return r.stored(ctx, ref.Name)
	case Vault:
		if r.Vault == nil {
			return "", errors.New("no Vault is configured: add a vault block")
		}
		return r.Vault(ctx, ref.Name, ref.Field)
	}
	return "", errors.New("no secret is configured")
}

func (r *Resolver) stored(ctx context.Context, name string) (string, error) {
	if r.Store == nil {
		return "", errors.New("no store is open")
	}
	v, _, err := r.Store.Get(ctx, StoreKey(name))
	if errors.Is(err, ErrNotFound) {
		return "", fmt.Errorf("not in the store: run `bearerd secret set %s`", name)
	}
	return string(v), err
}

func readSmall(path string) (string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	if !info.Mode().IsRegular() || info.Size() >= MaxValue {
		return "", errors.New("not a regular file under 64 KiB")
	}
	b, err := os.ReadFile(path)
	return string(b), err
}
