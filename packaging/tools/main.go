// Command dist builds everything of a release into one folder. The same tree, version, time and Go give the same bytes, wherever
// and whenever it runs. It is a module of its own, so that what it needs stays out of bearerd's.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"time"
)

// release is what is being built.
type release struct {
	root    string // the repository
	out     string // where the artefacts go
	work    string // what is made on the way
	version string // of semver.org, without a v
	when    time.Time
}

// target is a system and an architecture, as Go names them.
type target struct{ os, arch string }

var targets = []target{
	{"linux", "amd64"}, {"linux", "arm64"}, {"darwin", "amd64"}, {"darwin", "arm64"}, {"windows", "amd64"}, {"windows", "arm64"},
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintf(os.Stderr, "make dist: %v\n", err)
		os.Exit(1)
	}
}

// semantic is what deb, rpm and npm all accept.
var semantic = regexp.MustCompile(`^\d+\.\d+\.\d+(-[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*)?$`)

func run() (err error) {
	r := &release{}
	flag.StringVar(&r.root, "root", "", "the repository")
	flag.StringVar(&r.out, "out", "", "the folder to make anew")
	flag.StringVar(&r.version, "version", "", "like 1.2.3 or 1.2.3-rc.1")
	seconds := flag.Int64("time", 0, "of all files, in seconds since 1970; that of the commit")
	flag.Parse()
	if !semantic.MatchString(r.version) || *seconds == 0 {
		return fmt.Errorf("VERSION must be like 1.2.3 or 1.2.3-rc.1 (is %q), SOURCE_DATE_EPOCH the time of the commit (is %d)", r.version, *seconds)
	}
	r.when = time.Unix(*seconds, 0).UTC()
	if r.root, err = filepath.Abs(r.root); err != nil {
		return err
	}
	if r.out, err = filepath.Abs(r.out); err != nil {
		return err
	}
	if r.work, err = os.MkdirTemp("", "bearerd-dist-*"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(r.work)) }()
	if err := r.empty(); err != nil {
		return err
	}
	return r.make()
}

// empty makes the folder for the artefacts. It removes nothing that an earlier run has not made.
func (r *release) empty() error {
	if _, err := os.Stat(filepath.Join(r.out, sumsFile)); err == nil {
		if err := os.RemoveAll(r.out); err != nil {
			return err
		}
	}
	if entries, _ := os.ReadDir(r.out); len(entries) > 0 {
		return fmt.Errorf("%s holds something else than the artefacts of an earlier run: remove it", r.out)
	}
	if err := os.MkdirAll(r.out, 0o755); err != nil {
		return err
	}
	return r.sums() // of nothing yet: it marks the folder
}

// make builds all programs before it packs one, since what is packed names the modules of all of them.
func (r *release) make() error {
	if err := r.documents(); err != nil {
		return err
	}
	for _, t := range targets {
		if err := r.build(t); err != nil {
			return err
		}
	}
	if err := errors.Join(r.licences(), r.unit()); err != nil {
		return err
	}
	for _, t := range targets {
		if err := r.pack(t); err != nil {
			return fmt.Errorf("%s/%s: %w", t.os, t.arch, err)
		}
	}
	if err := r.npm(target{"linux", "amd64"}); err != nil {
		return err
	}
	return r.sums()
}

func (r *release) pack(t target) error {
	if err := errors.Join(r.archive(t), r.bill(t)); err != nil || t.os != "linux" {
		return err
	}
	return r.packages(t)
}

// name begins the names of a target's artefacts.
func (r *release) name(t target) string {
	return fmt.Sprintf("bearerd_%s_%s_%s", r.version, t.os, t.arch)
}
