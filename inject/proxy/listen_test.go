package proxy

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"bearerd/config"
	"bearerd/engine/oauth/oauthtest"
	"bearerd/secrets"
)

func hasIPv6(t *testing.T) bool {
	t.Helper()
	l, err := net.Listen("tcp", "[::1]:0")
	if err != nil {
		t.Log("this machine has no IPv6")
		return false
	}
	_ = l.Close()
	return true
}

// wantFree fails if an address is bound.
func wantFree(t *testing.T, address string) {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Errorf("it is still bound: %v", err)
		return
	}
	_ = l.Close()
}

func TestListenBindsBothLoopbackAddresses(t *testing.T) {
	for _, host := range []string{"127.0.0.1", "localhost", "[::1]"} {
		for _, port := range []string{"0", freePort(t)} {
			sockets, err := Listen(host + ":" + port)
			if err != nil {
				t.Fatal(err)
			}
			_, bound, _ := net.SplitHostPort(sockets[0].Addr().String())
			want := []string{"127.0.0.1:" + bound}
			if hasIPv6(t) {
				want = append(want, "[::1]:"+bound)
			}
			var got []string
			for _, s := range sockets {
				got = append(got, s.Addr().String())
				_ = s.Close()
			}
			if fmt.Sprint(got) != fmt.Sprint(want) || port != "0" && bound != port {
				t.Errorf("%s:%s is bound to %v, want %v", host, port, got, want)
			}
		}
	}
}

func TestListenBindsBothOrNeither(t *testing.T) {
	if !hasIPv6(t) {
		t.SkipNow()
	}
	for _, pair := range [][2]string{{"127.0.0.1", "[::1]"}, {"[::1]", "127.0.0.1"}} {
		taken := must(net.Listen("tcp", pair[0]+":0"))(t)
		_, port, _ := net.SplitHostPort(taken.Addr().String())
		sockets, err := Listen("127.0.0.1:" + port)
		if err == nil {
			t.Fatalf("%d sockets beside %s", len(sockets), taken.Addr())
		}
		parts := []string{"cannot listen on " + pair[0] + ":" + port, "address already in use", "choose another port"}
		if runtime.GOOS == "linux" {
			parts = append(parts, "held by ", fmt.Sprintf("(pid %d)", os.Getpid()))
		}
		for _, part := range parts {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("%q does not say %q", err, part)
			}
		}
		wantFree(t, pair[1]+":"+port)
		_ = taken.Close()
	}
}

func TestListenElsewhere(t *testing.T) {
	sockets, err := Listen("127.0.0.2:0")
	if err != nil {
		t.Skip(err) // not every system has all of 127.0.0.0/8
	}
	defer sockets[0].Close()
	if len(sockets) != 1 || !strings.HasPrefix(sockets[0].Addr().String(), "127.0.0.2:") {
		t.Errorf("%d sockets, the first on %s", len(sockets), sockets[0].Addr())
	}
	for _, address := range []string{"nothing", "127.0.0.1:x", "192.0.2.1:0"} {
		if sockets, err := Listen(address); err == nil {
			t.Errorf("%s is bound to %s", address, sockets[0].Addr())
		}
	}
}

func TestListenUnix(t *testing.T) {
	path := socketPath(t)
	first := must(ListenUnix(path))(t)
	if _, err := ListenUnix(path); err == nil || !strings.Contains(err.Error(), path+": another program answers there") {
		t.Errorf("twice: %v", err)
	}
	first.(*net.UnixListener).SetUnlinkOnClose(false)
	_ = first.Close() // as if its process had been killed
	second, err := ListenUnix(path)
	if err != nil {
		t.Fatalf("a stale socket: %v", err)
	}
	_ = second.Close()
	if err := os.WriteFile(path, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ListenUnix(path); err == nil || !strings.Contains(err.Error(), path+": a file that is no socket is there") {
		t.Errorf("a file was taken for a socket: %v", err)
	}
	if b, _ := os.ReadFile(path); string(b) != "mine" {
		t.Error("a file that is no socket was removed")
	}
	if _, err := ListenUnix("/tmp/" + strings.Repeat("x", 100)); err == nil || !strings.Contains(err.Error(), "shorter") {
		t.Errorf("a long path: %v", err)
	}
	absent := filepath.Join(path+"-absent", "s")
	_, err = ListenUnix(absent)
	if want := "cannot listen on unix socket " + absent + ": the folder does not exist: create it"; err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
}

// TestListenUnixLeavesWhatMayBeInUse: a socket of another kind refuses our connection and is alive all the same.
func TestListenUnixLeavesWhatMayBeInUse(t *testing.T) {
	path := socketPath(t)
	other := must(net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"}))(t)
	defer other.Close()
	l, err := ListenUnix(path)
	if err == nil {
		_ = l.Close()
	}
	if err == nil || !strings.Contains(err.Error(), "unix socket "+path) || !strings.Contains(err.Error(), "may be in use") {
		t.Errorf("%v", err)
	}
	if _, err := os.Lstat(path); err != nil {
		t.Errorf("it was removed: %v", err)
	}
}

func TestPrepareThatFailsLeavesNothingBound(t *testing.T) {
	f := newFixture(t)
	up := upstream(t, say("ok"))
	f.serve(f.server("search", up.URL))
	taken := must(net.Listen("tcp", "127.0.0.1:0"))(t)
	defer taken.Close()
	socket := socketPath(t)
	servers := []*config.Server{f.server("search", up.URL)}
	var free []string
	for _, address := range []string{"127.0.0.1:" + freePort(t), "127.0.0.1:" + freePort(t), "unix:" + socket, taken.Addr().String()} {
		s := f.server(fmt.Sprint("own", len(servers)), up.URL)
		s.Listen = address
		servers = append(servers, s)
		free = append(free, address)
	}
	for range 5 { // the order of binding is not fixed
		err := f.try(servers...)
		if err == nil || !strings.Contains(err.Error(), taken.Addr().String()) {
			t.Fatalf("%v", err)
		}
		for _, address := range free[:2] {
			wantFree(t, address)
		}
		if _, err := os.Stat(socket); !os.IsNotExist(err) {
			t.Errorf("the socket is there: %v", err)
		}
	}
	if a := f.post("search"); a.StatusCode != 200 {
		t.Errorf("the server that was served before: %d", a.StatusCode)
	}
}

// TestServerWhoseCertificatesAreMissing is away alone, and comes back with them.
func TestServerWhoseCertificatesAreMissing(t *testing.T) {
	f := newFixture(t)
	up := upstream(t, say("ok"))
	bad := f.server("bad", "https://127.0.0.1:1/")
	bad.OAuth.CABundlePath = secrets.Ref{Kind: secrets.File, Name: filepath.Join(t.TempDir(), "ca.pem")}
	f.serve(bad, f.server("good", up.URL))
	for range 2 {
		wantRefused(t, f.post("bad"), 502, `server "bad"`, "see the log of bearerd")
	}
	if a := f.post("good"); a.StatusCode != 200 {
		t.Errorf("the other server: %d %s", a.StatusCode, a.body)
	}
	n := 0
	for line := range strings.Lines(f.log.String()) {
		if strings.Contains(line, `"level":"ERROR"`) && strings.Contains(line, "answered with 502") {
			n++
			if !strings.Contains(line, `"server":"bad"`) || !strings.Contains(line, "ca.pem") {
				t.Errorf("the log says %s", line)
			}
		}
	}
	if n != 1 {
		t.Errorf("%d errors in the log: %s", n, f.log)
	}
	as := must(oauthtest.New())(t)
	defer as.Close()
	if err := as.WriteCA(bad.OAuth.CABundlePath.Name); err != nil {
		t.Fatal(err)
	}
	if a := f.post("bad"); strings.Contains(a.body, "certificates") {
		t.Errorf("with the file in place: %d %s", a.StatusCode, a.body)
	}
}

func TestTheLogNamesTheAddressesBound(t *testing.T) {
	f := newFixture(t)
	own := f.server("own", "http://127.0.0.1:1/mcp")
	own.Listen = "unix:" + socketPath(t)
	f.serve(f.server("search", "http://127.0.0.1:1/mcp"), own)
	for _, bound := range append(f.proxy.Bound("127.0.0.1:0"), strings.TrimPrefix(own.Listen, "unix:")) {
		if !strings.Contains(f.log.String(), `"msg":"listening","address":"`+bound+`"`) {
			t.Errorf("%s is not in the log: %s", bound, f.log)
		}
	}
}

func TestCommitSwapsWhatIsBehindAListener(t *testing.T) {
	f := newFixture(t)
	waiting, release := make(chan struct{}), make(chan struct{})
	first := upstream(t, func(w http.ResponseWriter, _ *http.Request) {
		close(waiting)
		<-release
		_, _ = io.WriteString(w, "first")
	})
	second := upstream(t, say("second"))
	own := f.server("own", second.URL)
	own.Listen = "127.0.0.1:" + freePort(t)
	f.serve(f.server("search", first.URL), own)
	before := f.proxy.Bound("127.0.0.1:0")

	inFlight := make(chan answer)
	req := f.request(http.MethodPost, "search", call)
	go func() { inFlight <- f.do(req) }()
	receive(t, waiting, "the request")
	f.serve(f.server("search", second.URL))
	if got := f.proxy.Bound("127.0.0.1:0"); fmt.Sprint(got) != fmt.Sprint(before) {
		t.Errorf("the listener moved from %v to %v", before, got)
	}
	if a := f.post("search"); a.body != "second" {
		t.Errorf("after the change: %s", a.body)
	}
	close(release)
	if a := receive(t, inFlight, "the answer"); a.body != "first" {
		t.Errorf("in flight: %s", a.body)
	}
	wantFree(t, own.Listen)
	if f.proxy.Bound(own.Listen) != nil {
		t.Error("the listener without servers is still listed")
	}
	gone := f.request(http.MethodPost, "own", call)
	if a := f.do(gone); a.StatusCode != 404 {
		t.Errorf("the removed server: %d", a.StatusCode)
	}
}

func TestServersWithoutURLAreNotServed(t *testing.T) {
	f := newFixture(t)
	f.serve(&config.Server{Name: "stdio", Command: "true", Env: map[string]secrets.Ref{}})
	if len(f.proxy.fronts) != 0 {
		t.Error("a listener was bound for no server")
	}
}

func TestLocal(t *testing.T) {
	cfg := &config.Config{Proxy: config.Proxy{Listen: "127.0.0.1:7411"}}
	for _, test := range []struct{ listen, upstream, address, url string }{
		{"", "https://mcp.example.com/mcp", "127.0.0.1:7411", "http://127.0.0.1:7411/s"},
		{"127.0.0.1:9000", "https://mcp.example.com/v1/mcp?x=y", "127.0.0.1:9000", "http://127.0.0.1:9000/v1/mcp"},
		{"127.0.0.1:9000", "https://mcp.example.com", "127.0.0.1:9000", "http://127.0.0.1:9000/"},
		{"unix:/run/s", "https://mcp.example.com/mcp", "unix:/run/s", "http://localhost/mcp"},
	} {
		address, url := Local(cfg, &config.Server{Name: "s", URL: test.upstream, Listen: test.listen})
		if address != test.address || url != test.url {
			t.Errorf("%+v: %s, %s", test, address, url)
		}
	}
}
