package proxy

import (
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"

	"bearerd/config"
	"bearerd/inject/peer"
)

// socketMode is the mode of a unix socket: 0600 unless another one is written.
func socketMode(l config.Local) fs.FileMode {
	mode, err := strconv.ParseUint(l.SocketMode, 8, 32)
	if err != nil {
		return 0o600
	}
	return fs.FileMode(mode)
}

// socketGroup is the number of the group of a unix socket. It is an error where bearerd may not give a socket to it.
func socketGroup(l config.Local) (gid int, err error) {
	if l.SocketGroup == "" {
		return os.Getegid(), nil
	}
	gid, ok := peer.GroupID(l.SocketGroup)
	if !ok {
		return 0, fmt.Errorf("there is no group %q: create it, or name another one in socket_group", l.SocketGroup)
	}
	own, err := os.Getgroups()
	if err == nil && os.Geteuid() != 0 && gid != os.Getegid() && !slices.Contains(own, gid) {
		return 0, fmt.Errorf("bearerd may not give its socket to the group %q: make its user a member (in a systemd unit: "+
			"SupplementaryGroups=), or name another one in socket_group", l.SocketGroup)
	}
	return gid, nil
}

// adjustable says why adjust would fail; nothing is changed.
func adjustable(address string, l config.Local) error {
	if !isUnix(address) {
		return nil
	}
	if !peer.Told {
		return fmt.Errorf("cannot listen on %s: this system does not tell who connects to a unix socket: listen on a loopback HOST:PORT", address)
	}
	_, err := socketGroup(l)
	return err
}

// Adjustable says why this process cannot give the unix sockets of cfg to the groups that are written for them. Prepare would
// fail.
func Adjustable(cfg *config.Config) error {
	for _, s := range cfg.Servers {
		if s.URL == "" {
			continue
		}
		address, _ := Local(cfg, s)
		if err := adjustable(address, s.Local); err != nil {
			return err
		}
	}
	return nil
}

// adjust gives a unix socket that is bound the group and the mode of l. In between, it is open to nobody to whom it was not
// before and will not be after.
func adjust(address string, l config.Local) error {
	path, ok := strings.CutPrefix(address, "unix:")
	if !ok {
		return nil
	}
	gid, err := socketGroup(l)
	if err != nil {
		return err
	}
	info, err := os.Lstat(path)
	if err != nil {
		return fmt.Errorf("the socket is gone: %w: restart bearerd", err)
	}
	before, mode := info.Mode().Perm(), socketMode(l)
	if before&mode != before {
		err = os.Chmod(path, before&mode)
	}
	if err == nil && (l.SocketGroup != "" || before&0o060 != 0) {
		err = os.Chown(path, -1, gid)
	}
	if err == nil {
		err = os.Chmod(path, mode)
	}
	if err != nil {
		return fmt.Errorf("setting the mode and the group of the socket: %w", err)
	}
	return nil
}

// socket is how the unix socket of these routes is set up: all that share a listener say the same of it.
func (t *table) socket() config.Local {
	for _, rt := range *t {
		return rt.server.Local
	}
	return config.Local{}
}
