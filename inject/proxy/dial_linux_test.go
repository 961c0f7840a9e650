package proxy

import (
	"net"
	"net/url"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"bearerd/config"
)

// TestConnectionsEndWhenThePathIsDead: keep-alive says nothing while bytes wait to be acknowledged.
func TestConnectionsEndWhenThePathIsDead(t *testing.T) {
	up := upstream(t, say("ok"))
	for _, s := range []*config.Server{{}, {Made: true, AllowPrivate: []string{"127.0.0.1"}}} {
		wantDeadPath(t, &route{server: s, target: must(url.Parse(up.URL))(t)})
	}
}

func wantDeadPath(t *testing.T, rt *route) {
	t.Helper()
	transport := must(rt.newTransport(t.Context()))(t)
	conn := must(transport.DialContext(t.Context(), "tcp", rt.target.Host))(t)
	defer conn.Close()
	raw := must(conn.(*net.TCPConn).SyscallConn())(t)
	var ms int
	var err error
	if failed := raw.Control(func(fd uintptr) { ms, err = unix.GetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT) }); failed != nil {
		t.Fatal(failed)
	}
	if got := time.Duration(ms) * time.Millisecond; err != nil || got != 30*time.Second {
		t.Errorf("bytes may lie unacknowledged for %v (%v)", got, err)
	}
}
