package config

import (
	"crypto/sha256"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"bearerd/secrets"
	"bearerd/secrets/disk"
)

// loader is one Load on its way.
type loader struct {
	diags      Diagnostics
	sources    []*source
	connection *secrets.Connection // of the vault block, from when it is decoded
	alone      bool                // the configuration is one file, not a folder
	empty      bool                // and there is nothing in it
	confDir    string              // the folder that the admin block names; "": none
	callback   string              // see Config.Callback
	where      map[string]string   // server → the file that it is in; kept with the cache
	known      cache               // of the load before
	kept       cache               // of this one; nil: not kept
}

// source is one file.
type source struct {
	path     string // as it is shown
	dir      string // absolute; relative paths start here
	bytes    []byte
	json     bool
	made     bool   // the API wrote it: see made.go
	exposed  bool   // group or others can read it
	broken   bool   // it does not parse, so nothing in it is known not to be a secret
	clean    bool   // nothing was found while it was parsed and decoded
	hidden   []bool // see mask
	contents hcl.Body
	sum      [sha256.Size]byte // of the file as it was read; only a Watcher needs it
}

// place is what a finding is about.
type place struct {
	src    *source
	rng    hcl.Range
	server string
	field  string // the attribute
	show   int    // how many bytes of rng are no secret
}

// DefaultPath is where the configuration is when no path is given: $BEARERD_CONFIG, else ~/.config/bearerd if it exists or
// this is Windows, else /etc/bearerd. It is never the working directory: an editor starts bearerd inside repositories of others.
func DefaultPath() string {
	if p := os.Getenv("BEARERD_CONFIG"); p != "" {
		return p
	}
	if home, err := os.UserHomeDir(); err == nil {
		p := filepath.Join(home, ".config", "bearerd")
		if _, err := os.Stat(p); err == nil || systemPath == "" {
			return p
		}
	}
	return systemPath
}

// Load reads the file, or the folder of files (*.hcl, *.hcl.json, and those in its conf.d), at path, and those in the
// conf_dir of the admin block. All findings come at once; Config is nil when one of them is an error.
func Load(path string) (*Config, Diagnostics) {
	l := &loader{}
	l.find(path)
	cfg, _ := l.finish()
	return cfg, l.diags
}

// finish makes a configuration of what find found. attempted is what could be decoded in spite of errors, or nil.
func (l *loader) finish() (cfg, attempted *Config) {
	if parsed := l.parseAll(); len(parsed) > 0 {
		attempted = l.build(parsed)
	}
	l.diags = l.diags.tidy()
	if l.diags.HasErrors() {
		return nil, attempted
	}
	return attempted, attempted
}

func (l *loader) find(path string) {
	info, err := os.Stat(path)
	if err != nil {
		l.failFile(path, "the configuration cannot be read: "+reason(err),
			"name the file or folder with -c PATH, or in BEARERD_CONFIG")
		return
	}
	if !info.IsDir() {
		l.alone = true
		l.read(path)
		l.readMore()
		return
	}
	files := append(l.list(path), l.list(filepath.Join(path, "conf.d"))...)
	for _, f := range files {
		l.read(f)
	}
	if len(files) == 0 && len(l.diags) == 0 {
		l.failFile(path, "the folder holds no configuration", "put a file named *.hcl or *.hcl.json there")
	}
	l.readMore(path, filepath.Join(path, "conf.d"))
}

// readMore reads the files in conf_dir, unless that is one of the folders that were read, or holds a file that was.
func (l *loader) readMore(folders ...string) {
	l.confDir = l.namedFolder()
	same := func(dir string) bool { return resolved(dir) == resolved(l.confDir) }
	if l.confDir == "" || slices.ContainsFunc(folders, same) {
		return
	}
	were := map[string]bool{}
	for _, s := range l.sources {
		were[resolved(s.path)] = true
	}
	for _, f := range l.list(l.confDir) {
		if !were[resolved(f)] {
			l.read(f)
		}
	}
}

// list returns the configuration files of one folder, sorted; a folder that is not there has none.
func (l *loader) list(dir string) []string {
	if message, remedy := trustedFolder(dir, folderItself); message != "" {
		l.failFile(dir, message, remedy)
		return nil
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		if !os.IsNotExist(err) {
			l.failFile(dir, "the folder cannot be read: "+reason(err), "check its permissions")
		}
		return nil
	}
	var files []string
	for _, e := range entries {
		name := e.Name()
		path := filepath.Join(dir, name)
		switch {
		case strings.HasPrefix(name, "."): // editors' and Kubernetes' own
		case strings.HasSuffix(name, ".hcl"), strings.HasSuffix(name, ".hcl.json"):
			files = append(files, path)
		case strings.HasSuffix(name, ".json"):
			l.report(Warning, place{src: &source{path: path}}, "the file is not read",
				"in a folder, name a JSON configuration *.hcl.json")
		}
	}
	slices.Sort(files)
	return files
}

// read opens and keeps one file.
func (l *loader) read(path string) {
	s, message, remedy := open(path)
	if message != "" {
		l.failFile(path, message, remedy)
		return
	}
	l.sources = append(l.sources, s)
}

// open reads a file under the limits on size, kind, owner and mode.
func open(path string) (s *source, message, remedy string) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, "the file cannot be read: " + reason(err), "give an absolute path"
	}
	f, err := openFile(path)
	if err != nil {
		return nil, "the file cannot be read: " + reason(err), "check the path and the permissions"
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return nil, "the file cannot be read: " + reason(err), "check the path and the permissions"
	}
	if !info.Mode().IsRegular() {
		return nil, "not a regular file", "give a file or a folder"
	}
	if message, remedy := trusted(f, info); message != "" {
		return nil, message, remedy
	}
	if message, remedy := trustedPlace(abs); message != "" {
		return nil, message, remedy
	}
	b, err := readLimited(f)
	if err != nil {
		return nil, "the file cannot be read: " + reason(err), "check the disk"
	}
	return &source{
		path: path, dir: filepath.Dir(abs), bytes: b, json: strings.HasSuffix(path, ".json"), exposed: disk.Modes && info.Mode().Perm()&0o044 != 0,
		made: !strings.HasSuffix(path, ".json") && marked(b),
	}, "", ""
}

func (l *loader) failFile(path, message, remedy string) {
	l.report(Error, place{src: &source{path: path}}, message, remedy)
}

func (l *loader) report(sev Severity, at place, message, remedy string) {
	d := Diagnostic{Severity: sev, File: at.src.path, Server: at.server, Field: at.field, Message: message, Remedy: remedy}
	if at.rng.Start.Line > 0 {
		d.Line, d.Column = at.rng.Start.Line, at.rng.Start.Column
		d.Snippet = snippet(at)
	}
	l.diags = append(l.diags, d)
}

// reason is the cause of a file error without the path, which the finding names already.
func reason(err error) string {
	if p, ok := err.(*os.PathError); ok {
		return p.Err.Error()
	}
	return err.Error()
}
