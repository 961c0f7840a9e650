package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// npm writes the npm package, as `npm pack` would. Its bin is the program itself: no node process stays behind it.
func (r *release) npm(t target) error {
	from := filepath.Join(r.root, "packaging/npm")
	text, err := os.ReadFile(filepath.Join(from, "package.json"))
	if err != nil {
		return err
	}
	const unset = `"version": "0.0.0"`
	if bytes.Count(text, []byte(unset)) != 1 {
		return fmt.Errorf("packaging/npm/package.json must have %s once", unset)
	}
	manifest := filepath.Join(r.work, "package.json")
	if err := os.WriteFile(manifest, bytes.Replace(text, []byte(unset), []byte(`"version": "`+r.version+`"`), 1), 0o644); err != nil {
		return err
	}
	return r.write("bearerd-npm-"+r.version+".tgz", func(w io.Writer) error {
		return r.tar(w, []item{
			{"package/package.json", manifest, 0o644},
			{"package/LICENSE", filepath.Join(r.root, "LICENSE"), 0o644},
			{"package/" + licencesFile, filepath.Join(r.work, licencesFile), 0o644},
			{"package/README.md", filepath.Join(from, "README.md"), 0o644},
			{"package/bin/bearerd", r.binary(t), 0o755},
		})
	})
}
