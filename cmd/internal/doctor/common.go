package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"bearerd/config"
	"bearerd/engine"
	"bearerd/secrets"
	"bearerd/secrets/disk"
	"bearerd/secrets/sealed"
	"bearerd/secrets/vault"
)

// common is what every server needs.
type common struct {
	local   secrets.Store     // the state folder; never nil
	place   string            // of it
	network string            // that it is on
	client  *vault.Client     // nil: no Vault is configured
	noVault error             // why Vault cannot be asked
	unasked string            // the step that keeps it from being asked; "": none
	resolve *secrets.Resolver // through Vault too
	engine  *engine.Engine    // whose stores take nothing
	broken  string            // the step that keeps records from being read; "": none
	running *running          // the daemon; nil: there is none
	owner   string            // how to look at what only the owner of the state folder may read; "": that is us
}

// configuration loads it. ok says that it can be used.
func (d *Doctor) configuration(ch *chart, name string) (cfg *config.Config, ok bool) {
	const step = "configuration"
	if d.Path == "" {
		ch.take(step, func() finding {
			return bad("run `bearerd init`, which asks a few questions, or `bearerd import FILE` with the file of an MCP client",
				"there is none: neither -c, nor BEARERD_CONFIG, ~/.config/bearerd or /etc/bearerd")
		})
		return nil, false
	}
	start := time.Now()
	var found config.Diagnostics
	if name == "" {
		cfg, found = config.Load(d.Path)
	} else {
		cfg, found = config.LoadServer(d.Path, name)
	}
	took := time.Since(start)
	known := cfg != nil && cfg.Server(name) != nil // else what is wrong elsewhere may be why
	for _, x := range found {
		if x.Severity == config.Note || known && x.Server != "" && x.Server != name {
			continue
		}
		result := Failed
		if x.Severity == config.Warning {
			result = Warned
		}
		where := ""
		if x.File != "" {
			where = x.File + ": "
			if x.Line > 0 {
				where = fmt.Sprintf("%s:%d: ", x.File, x.Line)
			}
		}
		ch.ended(Step{Name: step, Server: x.Server, Result: result, Detail: where + x.Message, Remedy: x.Remedy, Took: took})
	}
	if found.HasErrors() || cfg == nil {
		ch.skip("the configuration", "servers")
		return nil, false
	}
	ch.take(step, func() finding { return good("%s, servers: %d", d.Path, len(cfg.Servers)) })
	return cfg, true
}

// store opens the state folder to read alone.
func (d *Doctor) store(ctx context.Context, ch *chart) {
	d.local = none{}
	switch d.broken {
	case "":
	case "store":
		ch.take("store", func() finding { return skipped(d.owner, "only the user it belongs to may read it") })
		return
	default:
		ch.skip(d.broken, "store")
		return
	}
	if ch.take("store", func() finding { return d.lookAtStore(ctx) }) == Failed {
		d.broken = "store"
	}
}

func (d *Doctor) lookAtStore(ctx context.Context) finding {
	dir := d.config.Store.Path
	if info, err := os.Stat(dir); err == nil && !info.IsDir() {
		return bad("write the path of a folder into store \"file\", or move that file away", "the state folder %s is a file", dir)
	}
	view, err := sealed.Look(dir, d.identity(ctx))
	switch {
	case errors.Is(err, fs.ErrNotExist) && isAbsent(dir):
		if parent := standing(dir); !disk.Writable(parent) {
			return bad("make "+parent+" writable for the user who runs bearerd, or set another path in store \"file\"",
				"there is no state folder %s yet, and it cannot be made", dir)
		}
		return good("no state folder yet; the first start makes %s", dir)
	case err != nil:
		return bad("do what it says; without the right identity the records cannot be read, and a backup of the folder has it", "%v", err)
	}
	records, damaged, err := view.Damaged(ctx)
	switch {
	case err != nil:
		return bad("see to the disk, and to who owns the files", "%v", err)
	case len(damaged) > 0:
		return bad("restore it from a backup; else the next use sets it aside, and its token or secret has to be given again",
			"%s in %s cannot be read: it is damaged, or sealed for another identity", damaged[0], dir)
	}
	d.local, d.place, d.network = view, view.Place(), view.Network()
	for _, written := range []string{dir, filepath.Join(dir, "records"), filepath.Join(dir, "locks")} {
		if !isAbsent(written) && !disk.Writable(written) {
			return bad("make it writable for the user who runs bearerd: renewed tokens cannot be kept", "%s can be read, and not written", written)
		}
	}
	switch free, known := disk.FreeBytes(dir); {
	case known && free < 1<<20:
		return bad("free some space on that disk: renewed tokens cannot be kept", "the disk of %s is full", dir)
	case known && free < 64<<20:
		return warned("free some space on that disk", "the disk of %s has %d MiB left", dir, free>>20)
	}
	if d.network != "" {
		return warned(`put the state folder on a local disk, or keep tokens in store "vault"`,
			"%s lies on %s, where locks cannot be trusted: no refresh token is spent from there", dir, d.network)
	}
	return good("%s, records: %d", dir, records)
}

// identity is where the configuration has the age identity; nil: in the state folder.
func (d *Doctor) identity(ctx context.Context) func() (string, error) {
	ref := d.config.Store.Identity
	if ref.IsZero() {
		return nil
	}
	return func() (string, error) {
		text, err := (&secrets.Resolver{}).ResolveText(ctx, ref)
		return text.Reveal(), err
	}
}

func isAbsent(path string) bool {
	_, err := os.Stat(path)
	return errors.Is(err, fs.ErrNotExist)
}

// standing is the nearest folder above a path that is there.
func standing(path string) string {
	for path = filepath.Dir(path); isAbsent(path) && path != filepath.Dir(path); {
		path = filepath.Dir(path)
	}
	return path
}

// open prepares the engine that says what is stored.
func (d *Doctor) open(ctx context.Context) {
	store := d.local
	d.resolve = &secrets.Resolver{Store: d.local}
	if d.config.Vault != nil {
		d.resolve.Vault = func(ctx context.Context, path, field string) (string, error) {
			if d.noVault != nil {
				return "", d.noVault
			}
			return d.client.Read(ctx, path, field)
		}
	}
	if sh := d.config.Shared; sh != nil {
		store = none{}
		if d.noVault == nil {
			store = readOnly{d.client.Store(sh.Mount, sh.Prefix)}
		}
		d.resolve.Store = store
	}
	lock := func(context.Context, string) (func(), error) { return func() {}, nil }
	d.engine = engine.New(ctx, store, engine.Local{Store: d.local, Lock: lock, Place: d.place, Network: d.network}, d.resolve,
		slog.New(slog.DiscardHandler))
	d.engine.Prepare(d.config).Commit()
}

func (d *Doctor) close(ctx context.Context) {
	if d.engine != nil {
		d.engine.Close()
	}
	if d.client != nil {
		d.client.Close(context.WithoutCancel(ctx))
	}
}

var errReadOnly = errors.New("the doctor writes nothing")

// readOnly is a store that is only read.
type readOnly struct{ secrets.Store }

func (readOnly) Put(context.Context, string, []byte, secrets.Revision) (secrets.Revision, error) {
	return "", errReadOnly
}

func (readOnly) Delete(context.Context, string) error { return errReadOnly }

// none stands for a store that is not there.
type none struct{}

func (none) Get(context.Context, string) ([]byte, secrets.Revision, error) {
	return nil, "", secrets.ErrNotFound
}

func (none) Put(context.Context, string, []byte, secrets.Revision) (secrets.Revision, error) {
	return "", errReadOnly
}

func (none) Delete(context.Context, string) error { return errReadOnly }

func (none) List(context.Context, string) ([]string, error) { return nil, nil }
