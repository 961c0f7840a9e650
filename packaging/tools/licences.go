package main

import (
	"bytes"
	"debug/buildinfo"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// licencesFile holds what the licences of the modules in the programs ask to be passed on with them.
const licencesFile = "THIRD-PARTY-LICENCES"

var licenceName = regexp.MustCompile(`(?i)^(licen[cs]e|copying|notice|patents)([.-].*)?$`)

// licences writes the texts, each once, under the names of the modules that have it.
func (r *release) licences() error {
	modules, err := r.modules()
	if err != nil {
		return err
	}
	users := map[string][]string{} // by text
	for _, module := range modules {
		texts, err := r.texts(module)
		if err != nil {
			return err
		}
		for _, text := range texts {
			users[text] = append(users[text], module)
		}
	}
	var out bytes.Buffer
	out.WriteString("bearerd is under the licence in LICENSE. The programs hold these modules too, and Go's own library, which is under the\n" +
		"licence of golang.org/x/sys.\n")
	byUsers := func(a, b string) int { return slices.Compare(append(users[a], a), append(users[b], b)) }
	for _, text := range slices.SortedFunc(maps.Keys(users), byUsers) {
		fmt.Fprintf(&out, "\n%s\n%s\n\n%s\n", strings.Repeat("=", 80), strings.Join(users[text], "\n"), strings.TrimSpace(text))
	}
	return os.WriteFile(filepath.Join(r.work, licencesFile), out.Bytes(), 0o644)
}

// modules are the paths of those in any of the programs, sorted.
func (r *release) modules() ([]string, error) {
	paths := map[string]bool{}
	for _, t := range targets {
		info, err := buildinfo.ReadFile(r.binary(t))
		if err != nil {
			return nil, err
		}
		for _, m := range info.Deps {
			paths[m.Path] = true
		}
	}
	return slices.Sorted(maps.Keys(paths)), nil
}

// texts are the licences in a module's folder.
func (r *release) texts(module string) ([]string, error) {
	cmd := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", module)
	cmd.Dir, cmd.Env = r.root, r.environment(targets[0])
	dir, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("looking for the folder of %s: %w", module, err)
	}
	folder := strings.TrimSpace(string(dir))
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil, err
	}
	var texts []string
	for _, e := range entries {
		if !licenceName.MatchString(e.Name()) || e.IsDir() {
			continue
		}
		text, err := os.ReadFile(filepath.Join(folder, e.Name()))
		if err != nil {
			return nil, err
		}
		texts = append(texts, string(text))
	}
	if len(texts) == 0 {
		return nil, fmt.Errorf("%s has no licence in %s: find it, or leave the module out", module, folder)
	}
	return texts, nil
}
