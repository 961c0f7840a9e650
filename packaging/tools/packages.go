package main

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/goreleaser/nfpm/v2"
	_ "github.com/goreleaser/nfpm/v2/deb" // registers the format
	"github.com/goreleaser/nfpm/v2/files"
	_ "github.com/goreleaser/nfpm/v2/rpm" // registers the format
)

const description = `Keep OAuth tokens fresh for MCP servers and deliver them where they are needed
 bearerd gets and renews the OAuth tokens of MCP servers and puts them where
 each server or its client expects them: the environment of a program, a local
 proxy. It runs as a service or within what an MCP client starts.`

// maintainer is no address: the place where the source is got is the one to write to.
const maintainer = "The bearerd authors <bearerd@localhost.invalid>"

// packages writes the .deb and the .rpm of a target.
func (r *release) packages(t target) error {
	for _, format := range []string{"deb", "rpm"} {
		contents, err := r.contents(t, format)
		if err != nil {
			return err
		}
		info := nfpm.WithDefaults(&nfpm.Info{
			Name: "bearerd", Arch: t.arch, Platform: "linux", Version: r.version, Section: "net", Priority: "optional", License: "Apache-2.0",
			Maintainer: maintainer, Description: description, MTime: r.when, DisableGlobbing: true,
			Overridables: nfpm.Overridables{
				Recommends: []string{"ca-certificates"}, Contents: contents, Scripts: r.scripts(format),
				RPM: nfpm.RPM{
					BuildHost: "localhost", Group: "System Environment/Daemons", Summary: strings.SplitN(description, "\n", 2)[0],
				},
			},
		})
		packager, err := nfpm.Get(format)
		if err != nil {
			return err
		}
		if err := nfpm.PrepareForPackager(info, format); err != nil {
			return fmt.Errorf("%s: %w", format, err)
		}
		if err := r.write(r.name(t)+"."+format, func(w io.Writer) error { return packager.Package(info, w) }); err != nil {
			return fmt.Errorf("%s: %w", format, err)
		}
	}
	return nil
}

// unit is the example, with the place of a package's program. It is one source: who copies the example gets the same.
func (r *release) unit() error {
	const by, packaged = "/usr/local/bin/bearerd", "/usr/bin/bearerd"
	text, err := os.ReadFile(filepath.Join(r.root, "examples/systemd/bearerd.service"))
	if err != nil {
		return err
	}
	_, service, found := bytes.Cut(text, []byte("\n[Unit]\n")) // what stands before says how to install it by hand
	if !found || !bytes.Contains(service, []byte("ExecStart="+by+" ")) {
		return fmt.Errorf("examples/systemd/bearerd.service has no [Unit], or starts another program than %s", by)
	}
	service = bytes.ReplaceAll(append([]byte("[Unit]\n"), service...), []byte(by), []byte(packaged))
	service = bytes.Replace(service, []byte("[Unit]\n"), []byte("[Unit]\nDocumentation=man:bearerd(1) man:bearerd-run(1)\n"), 1)
	return os.WriteFile(filepath.Join(r.work, "bearerd.service"), service, 0o644)
}

// scripts say what dpkg and rpm do beside putting files in place.
func (r *release) scripts(format string) nfpm.Scripts {
	path := func(name string) string { return filepath.Join(r.root, "packaging", format, name) }
	return nfpm.Scripts{PostInstall: path("postinst"), PreRemove: path("prerm"), PostRemove: path("postrm")}
}

func (r *release) contents(t target, format string) (files.Contents, error) {
	const doc = "/usr/share/doc/bearerd/"
	zsh := map[string]string{"deb": "/usr/share/zsh/vendor-completions/_bearerd", "rpm": "/usr/share/zsh/site-functions/_bearerd"}
	license := map[string]string{"deb": doc + "copyright", "rpm": "/usr/share/licenses/bearerd/LICENSE"}
	list := files.Contents{
		r.file(r.binary(t), "/usr/bin/bearerd", 0o755),
		r.file(filepath.Join(r.work, "bearerd.service"), "/usr/lib/systemd/system/bearerd.service", 0o644),
		r.file(filepath.Join(r.root, "packaging/bearerd.hcl"), "/etc/bearerd/bearerd.hcl", 0o644),
		r.file(filepath.Join(r.work, "completions/bearerd.bash"), "/usr/share/bash-completion/completions/bearerd", 0o644),
		r.file(filepath.Join(r.work, "completions/bearerd.fish"), "/usr/share/fish/vendor_completions.d/bearerd.fish", 0o644),
		r.file(filepath.Join(r.work, "completions/_bearerd"), zsh[format], 0o644),
		r.file(filepath.Join(r.root, "LICENSE"), license[format], 0o644),
		r.file(filepath.Join(r.work, licencesFile), filepath.Dir(license[format])+"/"+licencesFile, 0o644),
		r.file(filepath.Join(r.root, "README.md"), doc+"README.md", 0o644),
	}
	list[2].Type = files.TypeConfigNoReplace
	for _, name := range []string{"docs", "examples"} {
		found, err := tree(r.root, name)
		if err != nil {
			return nil, err
		}
		for _, i := range found {
			list = append(list, r.file(i.path, doc+i.name, i.mode))
		}
	}
	pages, err := filepath.Glob(filepath.Join(r.work, "man/*.[1-9]"))
	if err != nil {
		return nil, err
	}
	for _, page := range append(pages, filepath.Join(r.root, "CHANGELOG.md")) {
		if err := r.compress(page); err != nil {
			return nil, err
		}
	}
	list = append(list, r.file(r.compressed("CHANGELOG.md"), doc+"changelog.gz", 0o644))
	for _, page := range pages {
		name := filepath.Base(page)
		list = append(list, r.file(r.compressed(name), "/usr/share/man/man"+filepath.Ext(name)[1:]+"/"+name+".gz", 0o644))
	}
	return append(list, r.folders(list)...), nil
}

// folders are those of the package alone: rpm removes only what it has been told to be in it.
func (r *release) folders(list files.Contents) (own files.Contents) {
	seen := map[string]bool{}
	for _, f := range list {
		for dir := filepath.Dir(f.Destination); strings.Contains(dir, "/bearerd"); dir = filepath.Dir(dir) {
			if !seen[dir] {
				own = append(own, r.folder(dir))
			}
			seen[dir] = true
		}
	}
	return own
}

func (r *release) folder(path string) *files.Content {
	info := &files.ContentFileInfo{Owner: "root", Group: "root", Mode: 0o755, MTime: r.when}
	return &files.Content{Destination: path, Type: files.TypeDir, FileInfo: info}
}

func (r *release) file(from, to string, mode os.FileMode) *files.Content {
	return &files.Content{Source: from, Destination: to, FileInfo: &files.ContentFileInfo{Owner: "root", Group: "root", Mode: mode, MTime: r.when}}
}

func (r *release) compressed(name string) string { return filepath.Join(r.work, name+".gz") }

// compress is `gzip -9n`.
func (r *release) compress(path string) error {
	content, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var out bytes.Buffer
	w, err := gzip.NewWriterLevel(&out, gzip.BestCompression)
	if err != nil {
		return err
	}
	if _, err := w.Write(content); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	return os.WriteFile(r.compressed(filepath.Base(path)), out.Bytes(), 0o644)
}
