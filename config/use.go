package config

import (
	"fmt"
	"strconv"
	"strings"
)

// use checks the socket for other users and who may ask there. Whether a user is known is not looked at here: it is when
// one asks, and `bearerd check` says it.
func (l *loader) use(t *tree) {
	b, use := t.single["use"], t.cfg.Use
	for _, w := range t.servers {
		l.allowed(w, use != nil)
	}
	if use == nil {
		return
	}
	if use.Mode == "" && !b.has("mode") {
		use.Mode = "0666"
		if use.Group != "" {
			use.Mode = "0660"
		}
	}
	mode, err := strconv.ParseUint(use.Mode, 8, 32)
	if err != nil || mode&^0o666 != 0 || mode&0o600 != 0o600 {
		l.fail(b, "mode", `mode must be an octal mode within 0666, such as "0660"`, "leave it out, or let at least the daemon's user in")
	} else if use.Group != "" && mode&0o020 == 0 {
		l.warn(b, "mode", fmt.Sprintf("mode %q lets no member of group connect, which is a right to write", use.Mode),
			`write "0660", or remove group`)
	}
	if b.has("group") && use.Group == "" {
		l.fail(b, "group", "group cannot be empty", "name a group, or remove it")
	}
	l.useSocket(t, b)
	if !t.single[fileStore].has("path") {
		l.report(Error, b.head(), "use needs a store with a path: by it others tell that the tokens are not their own",
			`write store "file" { path = "/var/lib/bearerd" }`)
	}
}

func (l *loader) useSocket(t *tree, b *block) {
	socket, store := t.cfg.Use.Socket, t.cfg.Store.Path
	switch {
	case socket == "":
		l.fail(b, "socket", "use needs a socket", `write socket = "/run/bearerd/use.sock"`)
	case len(socket) > maxUnixPath:
		l.fail(b, "socket", fmt.Sprintf("socket is longer than the %d bytes that a unix socket's path may have", maxUnixPath),
			"choose a shorter path")
	case store != "" && strings.HasPrefix(resolved(socket), strings.TrimSuffix(resolved(store), "/")+"/"):
		l.fail(b, "socket", "socket lies in the state folder, which lets nobody else in", "choose a folder that others may enter")
	}
}

// allowed checks the lists of one server.
func (l *loader) allowed(w *written, socket bool) {
	for _, list := range []struct {
		attr  string
		names []string
	}{{"allow_users", w.AllowUsers}, {"allow_groups", w.AllowGroups}} {
		for _, n := range list.names {
			if n == "" || strings.ContainsAny(n, ": \t\n*") {
				l.fail(w.block, list.attr, list.attr+" holds names or numbers", `write `+list.attr+` = ["anna", "1001"]`)
			}
		}
		if len(list.names) > 0 && !socket {
			l.warn(w.block, list.attr, list.attr+" has no effect without a use block", `write use { socket = "/run/bearerd/use.sock" }`)
		}
	}
}
