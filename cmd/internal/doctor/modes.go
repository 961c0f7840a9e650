package doctor

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"bearerd/cmd/internal/app"
	"bearerd/config"
	"bearerd/secrets"
	"bearerd/secrets/disk"
)

// fileModes looks who else can read what is secret. Who may write the configuration the loader has looked at.
func (d *Doctor) fileModes(ctx context.Context, ch *chart, servers []*config.Server) {
	ch.take("file modes", func() finding {
		state := d.stateModes(ctx)
		switch {
		case state.result == Failed:
			d.broken = "file modes"
		case d.owner != "":
			d.broken = "store"
		}
		for _, f := range []finding{state, modesOf(d.secretFiles(servers)), d.tokenFolders(servers)} {
			if f.result != OK {
				return f
			}
		}
		if state.detail != "" {
			return state
		}
		return good("nobody else can read the state folder, keys and secrets")
	})
}

// stateModes looks at the state folder. One of another user, whose daemon answers there, is right: that user alone may look
// into it.
func (d *Doctor) stateModes(ctx context.Context) finding {
	dir := d.config.Store.Path
	if isAbsent(dir) || !disk.Modes {
		return good("")
	}
	info, err := os.Stat(dir)
	if err != nil { // a folder above it is closed
		d.owner = "run it as the user who runs bearerd"
		return bad("run this as the user who runs bearerd", "%v", err)
	}
	if !info.IsDir() {
		return good("") // the store says what is wrong
	}
	if uid, other := disk.Foreign(info); other {
		d.owner = fmt.Sprintf("run it as that user: `sudo -u '#%d' bearerd doctor`", uid)
		text := fmt.Sprintf("%s belongs to user %d", dir, uid)
		if r, err := ask(ctx, app.Socket(dir)); err == nil && r != nil {
			return good("%s, and the daemon answers there", text)
		}
		return bad(fmt.Sprintf("run bearerd, and this, as that user: `sudo -u '#%d' bearerd doctor`", uid), "%s", text)
	}
	return within(dir)
}

// within looks at what is in a folder of one's own.
func within(dir string) finding {
	found := good("")
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			found = bad("see to who owns it and to its mode", "%v", err)
			return fs.SkipAll
		}
		if e.Type()&(fs.ModeSocket|fs.ModeSymlink) != 0 {
			return nil
		}
		info, err := e.Info()
		if err != nil {
			return nil // it has just been removed
		}
		private := e.Name() == "identity.txt" || path == dir || strings.HasSuffix(path, ".age") || e.Name() == auditFile && e.Type().IsRegular()
		if uid, other := disk.Foreign(info); other {
			found = bad("give it to the owner of the folder: `chown`; a bearerd that another user has started made it", "%s belongs to user %d", path, uid)
		} else if m := info.Mode().Perm(); private && m&0o077 != 0 {
			found = bad("run `chmod go= "+path+"`", "%s has mode %04o: others can look into it", path, m)
		} else {
			return nil
		}
		return fs.SkipAll
	})
	if err != nil && found.result == OK {
		return bad("see to who owns it and to its mode", "%v", err)
	}
	if found.result == OK {
		return auditLog(filepath.Join(dir, auditFile))
	}
	return found
}

// secretFile is a file that nobody else should read.
type secretFile struct{ what, path string }

func (d *Doctor) secretFiles(servers []*config.Server) (list []secretFile) {
	add := func(what string, ref secrets.Ref) {
		if ref.Kind == secrets.File {
			list = append(list, secretFile{what, ref.Name})
		}
	}
	add("identity of store \"file\"", d.config.Store.Identity)
	add("admin metrics_key", d.config.Admin.MetricsKey)
	if v := d.config.Vault; v != nil {
		if v.ClientKeyPath != "" {
			list = append(list, secretFile{"vault client_key_path", v.ClientKeyPath})
		}
		for _, u := range VaultUses(v) {
			add("vault "+u.What, u.Ref)
		}
	}
	for _, s := range servers {
		for _, u := range Uses(s) {
			add(s.Name+" "+u.What, u.Ref)
		}
		if o := s.OAuth; o != nil && o.Enabled {
			add(s.Name+" OAUTH_PRIVATE_KEY_PATH", o.PrivateKeyPath)
			if o.UseMTLS {
				add(s.Name+" OAUTH_CLIENT_KEY_PATH", o.ClientKeyPath)
			}
		}
	}
	return list
}

// modesOf looks at files as ssh does at keys: what the folders above them allow does not count. On a read-only mount (images,
// Kubernetes volumes) the modes say nothing.
func modesOf(files []secretFile) finding {
	found := good("")
	for _, f := range files {
		info, err := os.Stat(f.path)
		if err != nil || !disk.Modes || disk.ReadOnlyFolder(filepath.Dir(f.path)) {
			continue // that it is missing is told with the secrets
		}
		remedy := "run `chmod go= " + f.path + "`"
		switch mode := info.Mode().Perm(); {
		case mode&0o007 != 0:
			return bad(remedy, "%s (%s) has mode %04o: every user of this machine can read it", f.path, f.what, mode)
		case mode&0o070 != 0 && found.result == OK:
			found = warned(remedy, "%s (%s) has mode %04o: its group can read it", f.path, f.what, mode)
		}
	}
	return found
}

func (d *Doctor) tokenFolders(servers []*config.Server) finding {
	for _, s := range servers {
		if s.TokenFile == "" {
			continue
		}
		dir := filepath.Dir(s.TokenFile)
		info, err := os.Stat(dir)
		switch {
		case err != nil || !info.IsDir():
			return bad("make that folder, or correct token_file", "token_file of %s: there is no folder %s", s.Name, dir)
		case d.owner == "" && !disk.Writable(dir):
			return bad("make it writable for the user who runs bearerd, or correct token_file", "token_file of %s: %s cannot be written", s.Name, dir)
		case disk.Modes && info.Mode().Perm()&0o002 != 0 && info.Mode()&fs.ModeSticky == 0:
			return bad("run `chmod o-w "+dir+"`", "token_file of %s: everybody can replace files in %s", s.Name, dir)
		}
	}
	return good("")
}
