// Package bearerd holds no code, only the tests of the whole tree's shape.
package bearerd

import (
	"bufio"
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// layers are the rooms in the order in which they may import: each one those before it, never one behind it.
var layers = []string{"secrets", "config", "engine", "inject", "cmd"}

// only names the packages that alone may import a library.
var only = map[string][]string{
	"github.com/go-jose/go-jose/v4":    {"bearerd/engine/oauth"},
	"github.com/hashicorp/hcl":         {"bearerd/config"},
	"github.com/zclconf/go-cty":        {"bearerd/config"},
	"github.com/fsnotify/fsnotify":     {"bearerd/config"},
	"github.com/hashicorp/vault/api":   {"bearerd/secrets/vault"},
	"filippo.io/age":                   {"bearerd/secrets/sealed"},
	"github.com/spf13/cobra":           {"bearerd/cmd/bearerd"},
	"github.com/lmittmann/tint":        {"bearerd/cmd/bearerd"},
	"golang.org/x/oauth2":              {"bearerd/engine/oauth"},
	"github.com/google/renameio/v2":    {"bearerd/secrets/disk"}, // it does not build for Windows
	"charm.land/":                      {"bearerd/cmd/bearerd"},
	"github.com/pelletier/go-toml/v2":  {"bearerd/cmd/internal/clients"},
	"github.com/modelcontextprotocol/": {}, // tests alone: it is large
}

type pkg struct {
	ImportPath, Dir, Doc string
	Imports, GoFiles     []string
}

func packages(t *testing.T) (list []pkg) {
	t.Helper()
	out, err := exec.Command("go", "list", "-json=ImportPath,Dir,Doc,Imports,GoFiles", "./...").Output()
	if err != nil {
		t.Fatal(err)
	}
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p pkg
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return list
		} else if err != nil {
			t.Fatal(err)
		}
		list = append(list, p)
	}
}

func layer(path string) int {
	room, _, _ := strings.Cut(strings.TrimPrefix(path, "bearerd/"), "/")
	return slices.Index(layers, room)
}

func TestImportsRunOneWay(t *testing.T) {
	seen := 0
	for _, p := range packages(t) {
		from := layer(p.ImportPath)
		for _, i := range p.Imports {
			if strings.HasPrefix(i, "bearerd/") && layer(i) > from {
				t.Errorf("%s imports %s, which lies behind it in %v", p.ImportPath, i, layers)
			}
			for library, allowed := range only {
				if strings.HasPrefix(i, library) && !slices.Contains(allowed, p.ImportPath) {
					t.Errorf("%s imports %s, which only %v may", p.ImportPath, i, allowed)
				}
			}
			seen++
		}
		if strings.HasPrefix(p.ImportPath, "bearerd/secrets") && from == 0 {
			for _, i := range p.Imports {
				if strings.HasPrefix(i, "bearerd/") && layer(i) != 0 {
					t.Errorf("%s is not a leaf: it imports %s", p.ImportPath, i)
				}
			}
		}
	}
	if seen < 50 {
		t.Fatalf("only %d imports were seen", seen)
	}
}

func TestShapeOfPackages(t *testing.T) {
	for _, p := range packages(t) {
		if p.Doc == "" && len(p.GoFiles) > 0 {
			t.Errorf("%s has no package comment", p.ImportPath)
		}
	}
}

func TestShapeOfFiles(t *testing.T) {
	const fileLines, funcLines = 400, 60
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "node_modules" || d.Name() == ".git"):
			return fs.SkipDir
		case filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go"):
			return nil
		}
		if n := lines(t, path); n > fileLines {
			t.Errorf("%s has %d lines, more than %d", path, n, fileLines)
		}
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, path, nil, 0)
		if err != nil {
			return err
		}
		for _, d := range file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok {
				continue
			}
			if n := set.Position(f.End()).Line - set.Position(f.Pos()).Line + 1; n > funcLines {
				t.Errorf("%s: %s has %d lines, more than %d", path, f.Name.Name, n, funcLines)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func lines(t *testing.T, path string) (n int) {
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	for s := bufio.NewScanner(f); s.Scan(); {
		n++
	}
	return n
}
