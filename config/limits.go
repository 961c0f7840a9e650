package config

import (
	"fmt"
	"strconv"
	"strings"
)

// limits checks what bounds the callers of the proxy and its upstreams. Durations are checked as they are read.
func (l *loader) limits(b *block, limits Limits) {
	bounded := true
	for _, n := range []struct {
		name               string
		value, least, most int
	}{
		{"max_connections", limits.MaxConnections, 16, 1_000_000},
		{"max_head_bytes", limits.MaxHeadBytes, 4 << 10, 1 << 20},
		{"max_body_bytes", limits.MaxBodyBytes, 4 << 10, 1 << 30},
		{"max_answer_head_bytes", limits.MaxAnswerHead, 4 << 10, 16 << 20},
		{"replay_bytes", limits.ReplayBytes, 0, 64 << 20},
	} {
		if n.value < n.least || n.value > n.most {
			l.fail(b, n.name, fmt.Sprintf("%s must be from %d to %d", n.name, n.least, n.most), "write a number in between")
			bounded = false
		}
	}
	if bounded && limits.ReplayBytes > limits.MaxBodyBytes {
		name, remedy := "replay_bytes", "lower replay_bytes, or raise max_body_bytes"
		if !b.has(name) {
			name, remedy = "max_body_bytes", "raise max_body_bytes, or write a lower replay_bytes"
		}
		l.fail(b, name, fmt.Sprintf("replay_bytes (%d) is more than max_body_bytes (%d): no body is as large",
			limits.ReplayBytes, limits.MaxBodyBytes), remedy)
	}
}

// socket checks the mode and the group of a unix socket at addr, and fills in the mode.
func (l *loader) socket(b *block, addr string, local *Local) {
	if !strings.HasPrefix(addr, "unix:") {
		for _, name := range []string{"socket_mode", "socket_group"} {
			if b.has(name) {
				l.fail(b, name, name+" needs a listen on a unix socket", "remove it, or write listen = \"unix:PATH\"")
			}
		}
		return
	}
	if b.has("socket_group") && local.SocketGroup == "" {
		l.fail(b, "socket_group", "socket_group cannot be empty", "name a group, or remove it")
	}
	if !b.has("socket_mode") {
		local.SocketMode = "0600"
		if local.SocketGroup != "" {
			local.SocketMode = "0660"
		}
	}
	mode, err := strconv.ParseUint(local.SocketMode, 8, 32)
	if err != nil || mode&^0o666 != 0 || mode&0o600 != 0o600 {
		l.fail(b, "socket_mode", `socket_mode must be an octal mode within 0666, such as "0660"`,
			"leave it out, or let at least the daemon's user in")
	} else if local.SocketGroup != "" && mode&0o020 == 0 {
		l.warn(b, "socket_mode", fmt.Sprintf("socket_mode %q lets no member of socket_group connect, which is a right to write", local.SocketMode),
			`write "0660", or remove socket_group`)
	}
}
