package main

import (
	"archive/tar"
	"archive/zip"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// item is a file of an archive.
type item struct {
	name string // in the archive
	path string
	mode os.FileMode
}

// archive writes the .tar.gz of a target, or its .zip.
func (r *release) archive(t target) error {
	program := filepath.Base(r.binary(t))
	items := []item{
		{program, r.binary(t), 0o755},
		{licencesFile, filepath.Join(r.work, licencesFile), 0o644},
	}
	for _, name := range []string{"LICENSE", "README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "docs", "examples"} {
		found, err := tree(r.root, name)
		if err != nil {
			return err
		}
		items = append(items, found...)
	}
	for _, name := range []string{"man", "completions"} {
		found, err := tree(r.work, name)
		if err != nil {
			return err
		}
		items = append(items, found...)
	}
	for i := range items {
		items[i].name = r.name(t) + "/" + items[i].name
	}
	slices.SortFunc(items, func(a, b item) int { // the program first, the others by name
		if first := r.binary(t); (a.path == first) != (b.path == first) {
			return map[bool]int{true: -1, false: 1}[a.path == first]
		}
		return strings.Compare(a.name, b.name)
	})
	if t.os == "windows" {
		return r.write(r.name(t)+".zip", func(w io.Writer) error { return r.zip(w, items) })
	}
	return r.write(r.name(t)+".tar.gz", func(w io.Writer) error { return r.tar(w, items) })
}

// tree lists the files of a folder, or a file alone, named as they are below root. Modes do not depend on the umask of a checkout.
func tree(root, name string) (items []item, err error) {
	err = filepath.WalkDir(filepath.Join(root, name), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		if !info.Mode().IsRegular() {
			return fmt.Errorf("%s is no regular file", path)
		}
		mode := os.FileMode(0o644)
		if info.Mode()&0o100 != 0 {
			mode = 0o755
		}
		below, err := filepath.Rel(root, path)
		items = append(items, item{filepath.ToSlash(below), path, mode})
		return err
	})
	return items, err
}

// write makes an artefact.
func (r *release) write(name string, fill func(io.Writer) error) error {
	f, err := os.OpenFile(filepath.Join(r.out, name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	return errors.Join(fill(f), f.Close())
}

func (r *release) tar(w io.Writer, items []item) error {
	compressed, err := gzip.NewWriterLevel(w, gzip.BestCompression)
	if err != nil {
		return err
	}
	out := tar.NewWriter(compressed)
	for _, i := range items {
		content, err := os.ReadFile(i.path)
		if err != nil {
			return err
		}
		head := &tar.Header{Name: i.name, Mode: int64(i.mode), Size: int64(len(content)), ModTime: r.when, Format: tar.FormatUSTAR}
		if err := out.WriteHeader(head); err != nil {
			return err
		}
		if _, err := out.Write(content); err != nil {
			return err
		}
	}
	return errors.Join(out.Close(), compressed.Close())
}

func (r *release) zip(w io.Writer, items []item) error {
	out := zip.NewWriter(w)
	for _, i := range items {
		content, err := os.ReadFile(i.path)
		if err != nil {
			return err
		}
		head := &zip.FileHeader{Name: i.name, Method: zip.Deflate, Modified: r.when}
		head.SetMode(i.mode)
		f, err := out.CreateHeader(head)
		if err != nil {
			return err
		}
		if _, err := f.Write(content); err != nil {
			return err
		}
	}
	return out.Close()
}
