package config

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/fsnotify/fsnotify"
)

// folders keeps one watch on each folder in which something may happen to a path. A watch on a file would die with the
// first editor that replaces it.
type folders struct {
	notify  *fsnotify.Watcher      // nil: the system has none to give
	watched map[string]os.FileInfo // a folder can be replaced by another of the same name
}

// watch follows these folders and no others; the count of those that could not be is an error's reason too.
func (f *folders) watch(wanted map[string]bool) (failed int, err error) {
	alive := map[string]bool{}
	for _, dir := range f.notify.WatchList() {
		if alive[dir] = wanted[dir]; !alive[dir] {
			_ = f.notify.Remove(dir) // it may have gone meanwhile
		}
	}
	watched := map[string]os.FileInfo{}
	for dir := range wanted {
		info, statErr := os.Stat(dir)
		if statErr != nil {
			continue // gone since; the folder around it is watched
		}
		if before := f.watched[dir]; alive[dir] && before != nil && os.SameFile(before, info) {
			watched[dir] = info
			continue
		}
		if alive[dir] {
			_ = f.notify.Remove(dir)
		}
		if addErr := f.notify.Add(dir); addErr != nil {
			failed, err = failed+1, addErr
			continue
		}
		watched[dir] = info
	}
	f.watched = watched
	return failed, err
}

// hops finds the folders to watch for paths. Most paths share their folder, so each one is followed once.
type hops struct {
	dirs  map[string]bool
	known map[string]string // folder → the folder it is, without links; "": it is not there
}

// place watches for what happens to a path: the folder of each symbolic link on the way, and the folder it is in at last.
func (h *hops) place(path string) (at string) {
	return h.walk(path, 40) // as many links as the system follows
}

// walk returns path without links, or "" when it is not there.
func (h *hops) walk(path string, links int) string {
	parent, name := filepath.Dir(path), filepath.Base(path)
	if parent == path {
		return path
	}
	dir, ok := h.known[parent]
	if !ok {
		dir = h.walk(parent, links)
		h.known[parent] = dir
	}
	if dir == "" {
		return "" // of what is not there, the nearest folder that is
	}
	at := filepath.Join(dir, name)
	info, err := os.Lstat(at)
	switch {
	case err != nil:
		h.dirs[dir] = true
		return ""
	case info.Mode()&os.ModeSymlink == 0:
		return at
	}
	h.dirs[dir] = true
	target, err := os.Readlink(at)
	if err != nil || links == 0 {
		return ""
	}
	if !filepath.IsAbs(target) {
		target = filepath.Join(dir, target)
	}
	return h.walk(target, links-1)
}

// add watches a file.
func (h *hops) add(path string) {
	if at := h.place(path); at != "" {
		h.dirs[filepath.Dir(at)] = true
	}
}

// folder watches a folder of the configuration, and each file in it.
func (h *hops) folder(dir string) {
	if at := h.place(dir); at != "" {
		h.dirs[at] = true
	}
	for _, f := range configFiles(dir) {
		h.add(f)
	}
}

// wanted are the folders to watch for the configuration at path, with the conf_dir that it names, and the files that it
// names.
func wanted(path, confDir string, files map[string]string) map[string]bool {
	h := &hops{dirs: map[string]bool{}, known: map[string]string{}}
	if abs, err := filepath.Abs(path); err == nil {
		path = abs
	}
	h.add(path)
	h.add(filepath.Dir(path)) // the folder may be replaced
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		h.folder(path)
		h.folder(filepath.Join(path, "conf.d"))
	}
	if confDir != "" {
		h.folder(confDir)
	}
	for f := range files {
		h.add(f)
	}
	return h.dirs
}

// configFiles are the files of a folder that are read, whoever owns them.
func configFiles(dir string) (list []string) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil
	}
	for _, e := range entries {
		if name := e.Name(); strings.HasSuffix(name, ".hcl") || strings.HasSuffix(name, ".hcl.json") {
			list = append(list, filepath.Join(dir, name))
		}
	}
	return list
}
