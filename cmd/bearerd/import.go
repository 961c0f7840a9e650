package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"bearerd/cmd/internal/clients"
	"bearerd/cmd/internal/importer"
)

func importCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "import FILE...",
		Short: "Take the servers of an MCP client's file, or of another gateway's, over into the configuration",
		Args:  cobra.MinimumNArgs(1),
	}
	o := &importing{cmd: cmd}
	cmd.Flags().StringVar(&o.format, "format", "", "`name` of the client that the files are of, where that is not found out")
	cmd.Flags().StringVar(&o.to, "to", "", "`file` to add the servers to (default the configuration, or imported.hcl in its folder)")
	cmd.Flags().BoolVar(&o.write, "write", false, "rewrite the client's file too, to use bearerd; the one before is kept beside it")
	cmd.Flags().BoolVar(&o.dryRun, "dry-run", false, "print what would be added; keep no secret and change no file")
	cmd.Flags().BoolVar(&o.asJSON, "json", false, "print what was done as JSON")
	cmd.MarkFlagsMutuallyExclusive("write", "dry-run")
	cmd.RunE = func(_ *cobra.Command, args []string) error { return o.run(args) }
	return cmd
}

// importing is one run of the command.
type importing struct {
	cmd                   *cobra.Command
	format, to            string
	write, dryRun, asJSON bool

	place target
	files []*imported
}

// imported is one file of a client.
type imported struct {
	path   string // as it was given
	data   []byte
	file   *clients.File
	taken  []importer.Taken
	backup string // of the file before; "": it was not rewritten
	left   []int  // lines of it that look as if they held a secret, after it was rewritten
	err    error
}

// run keeps the secrets first, adds the servers then, and rewrites the clients' files last: whatever ends it in between, the
// same again completes it.
func (o *importing) run(args []string) (err error) {
	var format *clients.Format
	if o.format != "" {
		if format, err = clients.Named(o.format); err != nil {
			return usage{err}
		}
	}
	if o.place, err = findTarget(o.cmd, o.to); err != nil {
		return err
	}
	if !o.dryRun {
		unlock, err := oneImport(o.cmd, o.place.cfg.Store.Path)
		if err != nil {
			return err
		}
		defer unlock()
		if o.place, err = findTarget(o.cmd, o.to); err != nil { // another import may have added to it
			return err
		}
	}
	if err := o.read(args, format); err != nil {
		return err
	}
	if o.dryRun {
		if _, _, err := o.place.prepare(nil, o.cmd.ErrOrStderr()); err != nil {
			return err
		}
	} else {
		if err := o.add(); err != nil {
			return err
		}
		if o.write {
			o.rewrite()
			noteState(o.cmd, o.place.cfg)
		}
	}
	if err := o.report(); err != nil {
		return err
	}
	if o.failed() {
		return exitCode(exitError)
	}
	return nil
}

// maxClientFile is how long a client's file may be: one holds projects and histories, too.
const maxClientFile = 64 << 20

func (o *importing) read(args []string, format *clients.Format) (err error) {
	answers := &answers{cmd: o.cmd, known: map[string]string{}}
	store := &holding{cmd: o.cmd, cfg: o.place.cfg, dryRun: o.dryRun}
	defer func() { err = errors.Join(err, store.close()) }()
	world := importer.World{Have: o.place.cfg, Lookup: os.LookupEnv, Read: os.ReadFile, Ask: answers.ask, Compare: store.compare}
	world.Home, _ = os.UserHomeDir()
	plan := importer.New(world)
	for i, path := range args {
		if slices.Contains(args[:i], path) {
			continue
		}
		if path == "-" && o.write {
			return usage{errors.New("--write needs a file: what comes from stdin cannot be rewritten")}
		}
		f := &imported{path: path}
		o.files = append(o.files, f)
		if f.data, f.err = readClientFile(o.cmd, path); f.err != nil {
			continue
		}
		answers.piped = answers.piped || path == "-"
		if f.file, f.err = clients.Read(path, f.data, format); f.err != nil {
			continue
		}
		f.taken = plan.Take(f.file, filepath.Base(path))
		if answers.err != nil || store.err != nil {
			return answers.err
		}
	}
	return nil
}

func readClientFile(cmd *cobra.Command, path string) ([]byte, error) {
	from := cmd.InOrStdin()
	if path != "-" {
		info, err := os.Stat(path)
		if err != nil {
			return nil, err
		}
		if !info.Mode().IsRegular() {
			return nil, fmt.Errorf("%s is not a file", path)
		}
		f, err := os.Open(path)
		if err != nil {
			return nil, err
		}
		defer func() { _ = f.Close() }()
		from = f
	}
	data, err := io.ReadAll(io.LimitReader(from, maxClientFile+1))
	if err == nil && len(data) > maxClientFile {
		err = fmt.Errorf("%s is over %d MB: that is no configuration of a client", path, maxClientFile>>20)
	}
	return data, err
}

// failed reports whether a file could not be taken, or nothing in any of them.
func (o *importing) failed() bool {
	some := false
	for _, f := range o.files {
		if f.err != nil {
			return true
		}
		for _, t := range f.taken {
			some = some || t.Own || t.Server != nil
		}
	}
	return !some
}
