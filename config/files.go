package config

import (
	"fmt"
	"path/filepath"
	"strconv"
	"strings"

	"bearerd/secrets"
)

const separator = string(filepath.Separator)

// tokenFile checks the mode: nothing for others, since the file holds the token.
func (c check) tokenFile() {
	b := c.block
	if !b.has("token_file") {
		c.refuse("needs token_file", "set token_file, or remove it", "token_file_mode", "token_file_group")
		return
	}
	if c.TokenFile == "" {
		c.fail(b, "token_file", "token_file cannot be empty", "name a file, or remove it")
	}
	mode, err := strconv.ParseUint(c.TokenFileMode, 8, 32)
	if err != nil || mode&^0o660 != 0 || mode&0o400 == 0 {
		c.fail(b, "token_file_mode", "token_file_mode must be an octal mode within 0660, such as \"0600\" or \"0640\"",
			"the file holds the token: give others nothing")
	}
	if b.has("token_file_group") && c.TokenFileGroup == "" {
		c.fail(b, "token_file_group", "token_file_group cannot be empty", "name a group, or remove it")
	}
}

// stateFolder refuses a path that leaves no room for the socket in it.
func (l *loader) stateFolder(t *tree) {
	path := t.cfg.Store.Path
	if path == "" || len(filepath.Join(path, controlSocket)) <= maxUnixPath {
		return
	}
	at := place{src: &source{path: l.sources[0].path}}
	if b := t.single[fileStore]; b.has("path") {
		at = b.at("path")
	}
	l.report(Error, at, fmt.Sprintf("the path of the state folder is longer than the %d bytes that leave room for its socket",
		maxUnixPath-len("/"+controlSocket)), `choose a shorter one: store "file" { path = "…" }`)
}

// tokenFiles refuses two servers that would write the same file, and a file that bearerd needs for something else.
func (l *loader) tokenFiles(t *tree) {
	taken := l.filesInUse(t)
	store := resolved(t.cfg.Store.Path)
	for _, w := range t.servers {
		if w.TokenFile == "" {
			continue
		}
		path := resolved(w.TokenFile)
		if what := taken[path]; what != "" {
			l.report(Error, w.block.at("token_file"), "token_file is "+what, "give each server a file of its own")
			continue
		}
		if t.cfg.Store.Path != "" && strings.HasPrefix(path+separator, strings.TrimSuffix(store, separator)+separator) {
			l.report(Error, w.block.at("token_file"), "token_file lies in the state folder", "choose a file elsewhere")
		}
		taken[path] = fmt.Sprintf("that of server %q", w.Name)
	}
}

// filesInUse maps the files that the configuration names to what they are.
func (l *loader) filesInUse(t *tree) map[string]string {
	taken := map[string]string{}
	take := func(what string, refs ...secrets.Ref) {
		for _, r := range refs {
			if r.Kind == secrets.File {
				taken[resolved(r.Name)] = what
			}
		}
	}
	take("the age identity", t.cfg.Store.Identity)
	take("the key of metrics", t.cfg.Admin.MetricsKey)
	if v := t.cfg.Vault; v != nil {
		take("what logs in to Vault", v.Auth.Token, v.Auth.RoleID, v.Auth.SecretID, v.Auth.JWT)
		for _, path := range []string{v.CAPath, v.ClientCertPath, v.ClientKeyPath} {
			if path != "" {
				take("a certificate or key for Vault", secrets.Ref{Kind: secrets.File, Name: path})
			}
		}
	}
	for _, w := range t.servers {
		if w.OAuth == nil {
			continue
		}
		take("a client certificate", w.OAuth.ClientCertPath)
		take("a client key", w.OAuth.ClientKeyPath)
		take("a private key", w.OAuth.PrivateKeyPath)
		take("a CA bundle", w.OAuth.CABundlePath)
		take("a client secret", w.OAuth.ClientSecret)
		take("a refresh token", w.OAuth.RefreshToken)
	}
	for _, s := range l.sources {
		taken[resolved(filepath.Join(s.dir, filepath.Base(s.path)))] = "the configuration"
	}
	return taken
}

// resolved is the absolute path, without symbolic links as far as it is there.
func resolved(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		path = abs
	}
	if p, err := filepath.EvalSymlinks(path); err == nil {
		return p
	}
	if dir, err := filepath.EvalSymlinks(filepath.Dir(path)); err == nil {
		return filepath.Join(dir, filepath.Base(path))
	}
	return path
}
