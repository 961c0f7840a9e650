package proxy

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"golang.org/x/net/dns/dnsmessage"

	"bearerd/config"
	"bearerd/engine/oauth"
)

// resolvesTo has every name resolve to an address until the test ends.
func resolvesTo(t *testing.T, address string) {
	t.Helper()
	server := must(net.ListenPacket("udp", "127.0.0.1:0"))(t)
	done := make(chan struct{})
	go func() {
		defer close(done)
		buf := make([]byte, 1500)
		for {
			n, from, err := server.ReadFrom(buf)
			if err != nil {
				return
			}
			if answer := answerName(buf[:n], netip.MustParseAddr(address)); answer != nil {
				_, _ = server.WriteTo(answer, from)
			}
		}
	}()
	before := net.DefaultResolver
	net.DefaultResolver = &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "udp", server.LocalAddr().String())
	}}
	t.Cleanup(func() {
		net.DefaultResolver = before
		_ = server.Close()
		<-done
	})
}

func answerName(query []byte, to netip.Addr) []byte {
	var m dnsmessage.Message
	if m.Unpack(query) != nil || len(m.Questions) != 1 {
		return nil
	}
	m.Response, m.Additionals = true, nil
	if q := m.Questions[0]; q.Type == dnsmessage.TypeA {
		m.Answers = []dnsmessage.Resource{{
			Header: dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class, TTL: 1}, Body: &dnsmessage.AResource{A: to.As4()},
		}}
	}
	answer, err := m.Pack()
	if err != nil {
		return nil
	}
	return answer
}

// made is a server without a token that came over the API.
func made(url string, private ...string) *config.Server {
	s := plain("search", url)
	s.Made, s.AllowPrivate = true, private
	return s
}

// What a made server's name resolves to as it is connected to is what counts.
func TestMadeServersAreNotReachedInside(t *testing.T) {
	up := upstream(t, say("inside"))
	port := must(url.Parse(up.URL))(t).Port()
	for _, test := range []struct{ host, at, word string }{
		{"mcp.example.test", "169.254.169.254", "a cloud metadata address, which is never connected to"},
		{"mcp.example.test", "10.0.0.8", `a private address, which a server that the API made may not use: list it in admin { allow_private = ["10.0.0.8"] }`},
		{"mcp.example.test", "127.0.0.1", "a loopback address"},
		{"127.0.0.1", "127.0.0.1", "a loopback address"},
		{"[::ffff:127.0.0.1]", "127.0.0.1", "a loopback address"},
		{"localhost", "127.0.0.1", "a loopback address"},
	} {
		t.Run(test.host+" at "+test.at, func(t *testing.T) {
			f := newFixture(t)
			resolvesTo(t, test.at)
			f.serve(made("http://" + test.host + ":" + port + "/"))
			a := f.post("search")
			wantRefused(t, a, http.StatusBadGateway, `the server "search" may not be connected to`, test.word)
			if last, ok := f.proxy.Last("search"); !ok || last.Error == "" {
				t.Errorf("outcome %+v", last)
			}
		})
	}
}

func TestMadeServersAreReachedWhereThatIsListed(t *testing.T) {
	up := upstream(t, say("inside"))
	port := must(url.Parse(up.URL))(t).Port()
	for host, private := range map[string]string{"127.0.0.1": "127.0.0.0/8", "mcp.example.test": "mcp.example.test", "other.example.test": "127.0.0.1"} {
		f := newFixture(t)
		resolvesTo(t, "127.0.0.1")
		f.serve(made("http://"+host+":"+port+"/", private))
		if a := f.post("search"); a.body != "inside" {
			t.Errorf("%s: %d %s", host, a.StatusCode, a.body)
		}
	}
	f := newFixture(t)
	resolvesTo(t, "127.0.0.1")
	f.serve(plain("search", "http://mcp.example.test:"+port+"/")) // by hand
	if a := f.post("search"); a.body != "inside" {
		t.Errorf("by hand: %d %s", a.StatusCode, a.body)
	}
}

// Where the environment names a proxy, that one would connect in our place: it is asked for no address that is out of reach.
func TestMadeServersAreNotAskedOfAProxy(t *testing.T) {
	for _, s := range []*config.Server{made("http://10.0.0.8/"), plain("search", "http://10.0.0.8/")} {
		transport := must((&route{server: s}).newTransport(t.Context()))(t)
		_, err := transport.Proxy(must(http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL, nil))(t))
		if errors.Is(err, oauth.ErrOutOfReach) != s.Made {
			t.Errorf("made: %v, error %v", s.Made, err)
		}
	}
}

// The bridge sends on the same terms.
func TestMadeServersAreNotReachedInsideByTheBridge(t *testing.T) {
	f := newFixture(t)
	up := upstream(t, say("inside"))
	u := must(NewUpstream(made(up.URL), nil, f.resolve, f.proxy.log))(t)
	defer u.Close()
	resp := must(u.RoundTrip(must(http.NewRequestWithContext(t.Context(), http.MethodGet, up.URL, nil))(t)))(t)
	defer resp.Body.Close()
	body := string(must(io.ReadAll(resp.Body))(t))
	if resp.StatusCode != http.StatusBadGateway || !strings.Contains(body, "may not be connected to") {
		t.Errorf("%d %s", resp.StatusCode, body)
	}
}
