package oauth

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"bearerd/config"
)

// made is a server that came over the API.
func made(private ...string) *config.Server {
	return &config.Server{Made: true, URL: "https://mcp.example.com/mcp", AllowPrivate: private, OAuth: &config.OAuth{}}
}

// What the file of a made server names may be nowhere inside, unless the configuration of the host lists it.
func TestMadeServersReachWhatIsListedAlone(t *testing.T) {
	for name, set := range map[string]func(*config.Server, string){
		"url":                            func(s *config.Server, u string) { s.URL = u },
		"OAUTH_SERVER_URL":               func(s *config.Server, u string) { s.OAuth.ServerURL = u },
		"OAUTH_AUTHORIZATION_URL":        func(s *config.Server, u string) { s.OAuth.AuthorizationURL = u },
		"OAUTH_TOKEN_URL":                func(s *config.Server, u string) { s.OAuth.TokenURL = u },
		"OAUTH_DEVICE_AUTHORIZATION_URL": func(s *config.Server, u string) { s.OAuth.DeviceURL = u },
		"OAUTH_REGISTRATION_URL":         func(s *config.Server, u string) { s.OAuth.RegistrationURL = u },
		"OAUTH_REVOCATION_URL":           func(s *config.Server, u string) { s.OAuth.RevocationURL = u },
		"OAUTH_CLIENT_METADATA_URL":      func(s *config.Server, u string) { s.OAuth.ClientMetadataURL = u },
		"args": func(s *config.Server, u string) {
			s.URL, s.Command, s.Args = "", "npx", []string{"-y", "mcp-remote", u}
		},
	} {
		s := made()
		set(s, "https://named.corp/x")
		r := NewReach(s)
		if r.check("named.corp", remote("10.0.0.8")) == nil || r.check("named.corp", remote("127.0.0.1")) == nil {
			t.Errorf("%s opens its host", name)
		}
		if field, err := r.CheckURLs(s); err != nil {
			t.Errorf("%s: a name is refused: %s: %v", name, field, err)
		}
		for _, host := range []string{"10.0.0.8", "[::1]:8080", "localhost", "x.LOCALHOST.:99", "169.254.169.254", "[::ffff:192.168.0.1]"} {
			set(s, "https://"+host+"/x")
			if field, err := NewReach(s).CheckURLs(s); field != name || !errors.Is(err, ErrOutOfReach) {
				t.Errorf("%s of %s: field %q, error %v", host, name, field, err)
			}
		}
		set(s, "https://10.0.0.8/x")
		s.AllowPrivate = []string{"10.0.0.0/24"}
		if field, err := NewReach(s).CheckURLs(s); err != nil {
			t.Errorf("%s: what is listed is refused: %s: %v", name, field, err)
		}
	}
}

func TestListOfMadeServers(t *testing.T) {
	r := NewReach(made("inner.corp", "10.1.0.0/16", "localhost", "169.254.0.0/16"))
	for _, ok := range [][2]string{{"inner.corp", "192.168.0.1"}, {"x", "10.1.2.3"}, {"localhost", "127.0.0.1"}, {"x", "1.1.1.1"}} {
		if err := r.check(ok[0], remote(ok[1])); err != nil {
			t.Error(err)
		}
	}
	for _, bad := range [][2]string{{"x", "192.168.0.1"}, {"x", "10.2.0.1"}, {"x", "127.0.0.1"}, {"x", "169.254.169.254"}, {"169.254.169.254", "169.254.169.254"}} {
		if r.check(bad[0], remote(bad[1])) == nil {
			t.Errorf("%q is reached", bad)
		}
	}
}

// A made server that may be at a private address opens nothing to what its metadata names.
func TestMadeServersHaveNoHome(t *testing.T) {
	for _, address := range []string{"https://10.9.9.9/mcp", "https://localhost:8080/mcp", "https://mcp.corp/mcp"} {
		s := made("10.9.9.9", "localhost", "mcp.corp")
		s.URL = address
		r := NewReach(s)
		u, err := url.Parse(address)
		if err != nil {
			t.Fatal(err)
		}
		r.met(u, remote("10.9.9.9"))
		if r.AtHome().Home() || r.check("auth.corp", remote("10.0.0.8")) == nil {
			t.Errorf("%s opens the private network", address)
		}
		if err := r.check(u.Hostname(), remote("10.9.9.9")); err != nil {
			t.Error(err)
		}
	}
}

func TestMadeServersDial(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	const want = `is at 127.0.0.1, a loopback address, which a server that the API made may not use: ` +
		`list it in admin { allow_private = ["127.0.0.1"] } if that is right`
	s := made()
	s.URL = "https://localhost:" + port
	conn, err := NewReach(s).Dial(t.Context(), "tcp", "localhost:"+port)
	if err == nil {
		conn.Close()
	}
	if !errors.Is(err, ErrOutOfReach) || !strings.Contains(err.Error(), want) {
		t.Errorf("error %v", err)
	}
	s.AllowPrivate = []string{"127.0.0.0/8"}
	if conn, err = NewReach(s).Dial(t.Context(), "tcp", "localhost:"+port); err != nil {
		t.Fatal(err)
	}
	conn.Close()
}

// A proxy of the environment connects in our place: it is told of no address out of reach.
func TestMadeServersBehindAProxy(t *testing.T) { // TestMain names 127.0.0.1:1
	for address, allowed := range map[string]bool{
		"http://0/": false, "http://127.1/": false, "http://10.0.0.8./": false, "http://１２７.0.0.1/": false,
		"http://10.0.0.8/x": false, "http://169.254.169.254/x": false, "http://[::1]/": false, "http://x.localhost/": false,
		"http://mcp.example.com/": true, "http://10.1.0.1/": true,
	} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
		if err != nil {
			t.Fatal(err)
		}
		r := NewReach(made("10.1.0.1"))
		r.lookup = finds("1.1.1.1")
		if _, err := r.Proxy(req); (err == nil) != allowed {
			t.Errorf("%s: error %v", address, err)
		}
		if _, err := NewReach(&config.Server{URL: "https://mcp.example.com"}).Proxy(req); err != nil {
			t.Errorf("%s of a server by hand: %v", address, err)
		}
	}
}

// finds is a lookup that gives these addresses; none: it fails.
func finds(addresses ...string) func(context.Context, string, string) ([]netip.Addr, error) {
	return func(context.Context, string, string) ([]netip.Addr, error) {
		var found []netip.Addr
		for _, a := range addresses {
			found = append(found, netip.MustParseAddr(a))
		}
		if found == nil {
			return nil, &net.DNSError{Err: "no such host", IsNotFound: true}
		}
		return found, nil
	}
}

// Of a name that a proxy is asked for all addresses must be in reach, and so must those of one that has the address of the
// proxy, to which Dial connects unseen.
func TestNamesOfMadeServersBehindAProxy(t *testing.T) {
	proxy := func(r Reach, address string) error {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
		if err != nil {
			t.Fatal(err)
		}
		_, err = r.Proxy(req)
		return err
	}
	for _, test := range []struct {
		address string
		at      []string
		want    string // "": allowed
	}{
		{"http://x.corp/", []string{"1.1.1.1", "2606:4700::1111"}, ""},
		{"http://x.corp/", []string{"1.1.1.1", "10.0.0.8"}, "x.corp is at 10.0.0.8, a private address"},
		{"http://x.corp/", []string{"169.254.169.254"}, "x.corp is at 169.254.169.254, a cloud metadata address"},
		{"http://x.corp/", []string{"10.1.0.1"}, ""},
		{"http://listed.corp/", nil, ""},
		{"http://LISTED.corp./", nil, ""},
		{"https://x.corp/", []string{"10.0.0.8"}, "x.corp is at 10.0.0.8"},
		{"https://proxy.test:3128/", []string{"10.0.0.8"}, "proxy.test is at 10.0.0.8"},
		{"https://PROXY.test:3128/", []string{"10.0.0.8"}, "PROXY.test is at 10.0.0.8"},
		{"https://proxy.test:3128/", []string{"1.1.1.1"}, ""},
		{"https://proxy.test/", []string{"10.0.0.8"}, ""}, // Dial looks at it
	} {
		r := NewReach(made("10.1.0.1", "listed.corp"))
		r.lookup = finds(test.at...)
		err := proxy(r, test.address)
		if test.want == "" && err != nil || test.want != "" && (!errors.Is(err, ErrOutOfReach) || !strings.Contains(err.Error(), test.want)) {
			t.Errorf("%s at %q: error %v", test.address, test.at, err)
		}
		byHand := NewReach(&config.Server{URL: test.address})
		byHand.lookup = finds()
		if err := proxy(byHand, test.address); err != nil {
			t.Errorf("%s of a server by hand: %v", test.address, err)
		}
	}
	r := NewReach(made())
	r.lookup = finds()
	const want = `nowhere.corp cannot be resolved here, so that a server that the API made may not ask the proxy of the environment ` +
		`for it: list it in admin { allow_private = ["nowhere.corp"] } if that is right`
	err := proxy(r, "http://nowhere.corp/")
	if op, ok := errors.AsType[*net.OpError](err); !ok || op.Op != "dial" || PlainError("x", 0, err).Error() != want || errors.Is(err, ErrOutOfReach) {
		t.Errorf("error %v", err)
	}
	r.lookup = func(context.Context, string, string) ([]netip.Addr, error) { return nil, nil }
	if proxy(r, "http://nowhere.corp/") == nil {
		t.Error("a name without an address is asked for")
	}
}

// What inet_aton takes for an address is not let through as a name.
func TestStrangeHostsOfMadeServers(t *testing.T) {
	for _, host := range []string{
		"127.1", "0x7f000001", "0X7F.1", "0", "2130706433", "017700000001", "0177.0.0.1", "10.0.0.8.", "1.2.3.4.5", "x.0x", "mcp.1", "１２７.0.0.1", "mcp。example",
	} {
		s := made()
		s.URL = "https://" + host + "/"
		if field, err := NewReach(s).CheckURLs(s); field != "url" || !errors.Is(err, ErrOutOfReach) {
			t.Errorf("%s: field %q, error %v", host, field, err)
		} else if strings.ContainsFunc(err.Error(), func(r rune) bool { return r < ' ' || r > '~' && r != '…' }) {
			t.Errorf("%s: %v", host, err)
		}
		s.Made = false
		if _, err := NewReach(s).CheckURLs(s); err != nil {
			t.Errorf("%s of a server by hand: %v", host, err)
		}
	}
	for _, host := range []string{"mcp1.example.com", "1.2.3.example", "xn--bcher-kva.example", "0x7f.example", "deadbeef", "1.1.1.1", "[2606:4700::1111]", "mcp-1"} {
		s := made()
		s.URL = "https://" + host + "/"
		if _, err := NewReach(s).CheckURLs(s); err != nil {
			t.Error(err)
		}
	}
}
