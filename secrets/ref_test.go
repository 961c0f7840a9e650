package secrets

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// oneValue is a store that holds one value under one key.
type oneValue struct {
	Store
	key, value string
	err        error
}

func (o oneValue) Get(_ context.Context, key string) ([]byte, Revision, error) {
	if o.err != nil {
		return nil, "", o.err
	}
	if key != o.key {
		return nil, "", ErrNotFound
	}
	return []byte(o.value), "1", nil
}

func writeTemp(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "value")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func env(value string) *Resolver {
	return &Resolver{Getenv: func(name string) (string, bool) { return value, name == "SET" }}
}

func TestResolve(t *testing.T) {
	path := writeTemp(t, canary+"\r\n")
	t.Setenv("CREDENTIALS_DIRECTORY", filepath.Dir(path))
	t.Setenv("BEARERD_TEST_VALUE", canary)
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	stored := &Resolver{Store: oneValue{key: "secret/s", value: canary}}
	for name, c := range map[string]struct {
		r   *Resolver
		ref Ref
	}{
		"literal":              {&Resolver{}, LiteralRef(canary)},
		"env":                  {env(canary), Ref{Kind: Env, Name: "SET"}},
		"env of the process":   {&Resolver{}, Ref{Kind: Env, Name: "BEARERD_TEST_VALUE"}},
		"env with a line end":  {env(canary + "\n"), Ref{Kind: Env, Name: "SET"}},
		"file with CRLF":       {&Resolver{}, Ref{Kind: File, Name: path}},
		"file behind a link":   {&Resolver{}, Ref{Kind: File, Name: link}},
		"file of largest size": {&Resolver{}, fileRef(t, canary+strings.Repeat("\n", MaxValue-1-len(canary)))},
		"credential":           {&Resolver{}, Ref{Kind: Credential, Name: "value"}},
		"stored":               {stored, Ref{Kind: Stored, Name: "s"}},
	} {
		if got, err := c.r.Resolve(t.Context(), c.ref); err != nil || got.Reveal() != canary {
			t.Errorf("%s: %d bytes and error %v", name, len(got.Reveal()), err)
		}
	}
	if got, err := (&Resolver{}).Resolve(t.Context(), LiteralRef("")); err != nil || !got.IsZero() {
		t.Errorf("an empty literal: %v", err)
	}
}

func TestResolveErrors(t *testing.T) {
	t.Setenv("CREDENTIALS_DIRECTORY", t.TempDir())
	dir := t.TempDir()
	for name, c := range map[string]struct {
		r    *Resolver
		ref  Ref
		want []string // parts of the message
	}{
		"none":               {&Resolver{}, Ref{}, []string{"no secret is configured"}},
		"env unset":          {env(""), Ref{Kind: Env, Name: "UNSET"}, []string{`env("UNSET")`, "is not set"}},
		"env empty":          {env(""), Ref{Kind: Env, Name: "SET"}, []string{`env("SET")`, "empty"}},
		"file missing":       {&Resolver{}, Ref{Kind: File, Name: dir + "/no"}, []string{`file("` + dir + `/no")`, "no such file"}},
		"file empty":         {&Resolver{}, fileRef(t, ""), []string{"empty"}},
		"file of a line end": {&Resolver{}, fileRef(t, "\r\n"), []string{"empty"}},
		"file of two lines":  {&Resolver{}, fileRef(t, canary+"\nmore"), []string{"line break"}},
		"file with a NUL":    {&Resolver{}, fileRef(t, canary+"\x00"), []string{"NUL"}},
		"file not UTF-8":     {&Resolver{}, fileRef(t, canary+"\xff"), []string{"UTF-8"}},
		"file oversized":     {&Resolver{}, fileRef(t, strings.Repeat("x", MaxValue)), []string{"under 64 KiB"}},
		"folder":             {&Resolver{}, Ref{Kind: File, Name: dir}, []string{"not a regular file"}},
		"device":             {&Resolver{}, Ref{Kind: File, Name: "/dev/zero"}, []string{"not a regular file"}},
		"credential absent":  {&Resolver{}, Ref{Kind: Credential, Name: "c"}, []string{`credential("c")`, "no such file"}},
		"no store":           {&Resolver{}, Ref{Kind: Stored, Name: "s"}, []string{`secret("s")`, "no store is open"}},
		"stored absent": {&Resolver{Store: oneValue{}}, Ref{Kind: Stored, Name: "s"},
			[]string{`secret("s")`, "run `bearerd secret set s`"}},
		"stored with a NUL": {&Resolver{Store: oneValue{key: "secret/s", value: canary + "\x00"}},
			Ref{Kind: Stored, Name: "s"}, []string{"NUL"}},
		"vault": {&Resolver{}, Ref{Kind: Vault, Name: "p", Field: "f"},
			[]string{`vault("p", "f")`, "no Vault is configured"}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := c.r.Resolve(t.Context(), c.ref)
			if err == nil || !got.IsZero() {
				t.Fatalf("a value of %d bytes and the error %v", len(got.Reveal()), err)
			}
			for _, part := range c.want {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("%q does not say %q", err, part)
				}
			}
			wantHidden(t, err.Error())
		})
	}
}

func fileRef(t *testing.T, content string) Ref {
	return Ref{Kind: File, Name: writeTemp(t, content)}
}

func TestResolveOutsideSystemd(t *testing.T) {
	t.Setenv("CREDENTIALS_DIRECTORY", "")
	_, err := (&Resolver{}).Resolve(t.Context(), Ref{Kind: Credential, Name: "c"})
	if err == nil || !strings.Contains(err.Error(), "LoadCredential=") {
		t.Errorf("error %v", err)
	}
}

func TestResolveKeepsTheStoreError(t *testing.T) {
	broken := errors.New("disk on fire")
	_, err := (&Resolver{Store: oneValue{err: broken}}).Resolve(t.Context(), Ref{Kind: Stored, Name: "s"})
	if !errors.Is(err, broken) {
		t.Errorf("error %v", err)
	}
}

func TestResolveText(t *testing.T) {
	text := "# a comment\nAGE-SECRET-KEY-1\n# another"
	got, err := (&Resolver{}).ResolveText(t.Context(), fileRef(t, text+"\n"))
	if err != nil || got.Reveal() != text {
		t.Errorf("%d bytes and error %v", len(got.Reveal()), err)
	}
	if _, err := (&Resolver{}).ResolveText(t.Context(), fileRef(t, canary+"\x00")); err == nil {
		t.Error("a NUL was accepted")
	}
}

func TestRef(t *testing.T) {
	literal := LiteralRef(canary)
	for _, c := range []struct {
		ref    Ref
		string string
	}{
		{Ref{}, ""},
		{literal, "a literal"},
		{Ref{Kind: Env, Name: "X"}, `env("X")`},
		{Ref{Kind: File, Name: "/a b"}, `file("/a b")`},
		{Ref{Kind: Credential, Name: "c"}, `credential("c")`},
		{Ref{Kind: Stored, Name: "s"}, `secret("s")`},
		{Ref{Kind: Vault, Name: "p/q", Field: "f"}, `vault("p/q", "f")`},
	} {
		if c.ref.String() != c.string || c.ref.IsZero() != (c.string == "") {
			t.Errorf("%q, zero %v, want %q", c.ref, c.ref.IsZero(), c.string)
		}
		wantHidden(t, c.ref.Identity())
	}
	if literal.Identity() == LiteralRef("other").Identity() || literal.Identity() != LiteralRef(canary).Identity() {
		t.Error("Identity does not tell literals apart by their value")
	}
}
