package config

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"reflect"

	"bearerd/secrets"
)

// reading is what was on disk at one moment: the files of the configuration, and what else it names. Of the latter, which
// may be secrets, only hashes are kept.
type reading struct {
	loader  *loader           // not yet parsed
	text    string            // the hash of all files of the configuration, and of what kept one from being read
	missing bool              // one could not be read
	filled  map[string]bool   // the files of the configuration with more than white space in them
	files   map[string]string // path → hash of the content; "" when it is absent, empty or cannot be read
}

// read reads the configuration at path, and the files.
func read(path string, files map[string]string) reading {
	r := reading{loader: &loader{}, filled: map[string]bool{}, files: make(map[string]string, len(files))}
	r.loader.find(path)
	r.missing = r.loader.diags.HasErrors()
	h := sha256.New()
	for _, s := range r.loader.sources {
		s.sum = sha256.Sum256(s.bytes)
		r.filled[s.path] = len(bytes.TrimSpace(s.bytes)) > 0
		fmt.Fprintf(h, "%q %t %x\n", s.path, s.exposed, s.sum)
	}
	_, _ = r.loader.diags.WriteTo(h)
	r.text = hex.EncodeToString(h.Sum(nil))
	for f := range files {
		r.files[f] = contentHash(f)
	}
	return r
}

// same reports whether nothing changed between two readings.
func (r reading) same(o reading) bool { return r.text == o.text && maps.Equal(r.files, o.files) }

// contentHash is "" for what no secret or certificate can be: then a writer has not finished, or it will be said where it is
// used.
func contentHash(path string) string {
	if !isFile(path) {
		return ""
	}
	f, err := openFile(path)
	if err != nil {
		return ""
	}
	defer func() { _ = f.Close() }()
	h := sha256.New()
	if n, err := io.Copy(h, io.LimitReader(f, maxPEM)); err != nil || n == 0 {
		return ""
	}
	return hex.EncodeToString(h.Sum(nil))
}

// files adds the paths of the files that the configuration names by references and as certificates. The age identity is not
// among them: it is read once, at start.
func (c *Config) files(add func(path string)) {
	if c == nil {
		return
	}
	if v := c.Vault; v != nil {
		for _, path := range []string{v.CAPath, v.ClientCertPath, v.ClientKeyPath} {
			addFile(secrets.Ref{Kind: secrets.File, Name: path}, add)
		}
		refFiles(&v.Auth, add)
	}
	for _, s := range c.Servers {
		refFiles(s, add)
		if s.OAuth != nil && s.OAuth.Enabled {
			refFiles(s.OAuth, add)
		}
	}
}

// refFiles looks at every reference in a struct.
func refFiles[T any](v *T, add func(string)) {
	value := reflect.ValueOf(v).Elem()
	for _, f := range attributes(value.Type()) {
		switch x := value.FieldByIndex(f.Index).Interface().(type) {
		case secrets.Ref:
			addFile(x, add)
		case map[string]secrets.Ref:
			for _, r := range x {
				addFile(r, add)
			}
		}
	}
}

func addFile(r secrets.Ref, add func(string)) {
	switch {
	case r.Name == "":
	case r.Kind == secrets.File:
		add(r.Name)
	case r.Kind == secrets.Credential:
		if dir := os.Getenv("CREDENTIALS_DIRECTORY"); dir != "" {
			add(filepath.Join(dir, r.Name))
		}
	}
}
