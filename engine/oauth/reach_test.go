package oauth

import (
	"net"
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"bearerd/config"
)

// never and private addresses, whatever they are dressed as.
var (
	neverReached = []string{
		"169.254.169.254", "169.254.0.1", "fe80::1", "fe80::1%eth0", "fd00:ec2::254", "fd20:ce::254", "100.100.100.200", "168.63.129.16", "192.0.0.192",
		"0.0.0.0", "0.1.2.3", "::", "224.0.0.1", "239.1.2.3", "ff02::1", "255.255.255.255", "240.0.0.1",
		"::ffff:169.254.169.254", "::ffff:0.0.0.0", "64:ff9b::a9fe:a9fe", "64:ff9b:1::a9fe:a9fe", "2002:a9fe:a9fe::1", "::a9fe:a9fe",
		"::ffff:0:a9fe:a9fe", "64:ff9b::6464:64c8",
		"2001:0:4136:e378:8000:63bf:5601:5601", "2001::1", // Teredo
		"2001:db8::5efe:a9fe:a9fe", "2606:4700::200:5efe:a9fe:a9fe", "fd12::5efe:a9fe:a9fe", "2606:4700::5efe:0:0", // ISATAP
		"64:ff9b:1:6464:64:c800:101:101", "64:ff9b:1:64:64:64c8:101:101", "64:ff9b:1:0:64:6464:c801:101", // NAT64 of /48, /56, /64
		"64:ff9b:1:a9fe:a9:fe00::", "fd00:ec2::23", "fd00:ec2::1:254",
	}
	privateAddresses = []string{
		"127.0.0.1", "127.255.0.1", "::1", "10.0.0.8", "172.16.0.1", "172.31.255.255", "192.168.1.1", "100.64.0.1", "192.0.0.1", "198.18.0.1",
		"198.19.255.255", "fc00::1", "fd12::1", "fec0::1", "::ffff:10.0.0.8", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "64:ff9b:1::101:101", "2002:a00:8::",
		"::7f00:1", "::ffff:0:a00:8", "2606:4700::5efe:a00:8", "2606:4700::200:5efe:7f00:1", "64:ff9b:1:808:8:800:101:101",
	}
	publicAddresses = []string{
		"1.1.1.1", "172.15.0.1", "172.32.0.1", "100.63.0.1", "100.128.0.1", "192.0.1.1", "198.17.0.1", "198.20.0.1", "223.255.255.255", "169.253.0.1",
		"2606:4700::1111", "64:ff9b::101:101", "2002:101:101::", "::ffff:1.1.1.1", "fe00::1",
		"2606:4700::5efe:101:101", "2606:4700::100:5efe:a9fe:a9fe", "2001:1::1",
	}
)

func remote(address string) string { return net.JoinHostPort(address, "443") }

func TestAddressesOfAPublicServer(t *testing.T) {
	public := NewReach(&config.Server{URL: "https://mcp.example.com/mcp"})
	for _, r := range []Reach{{}, public} {
		for _, a := range neverReached {
			if err := r.check("auth.example.com", remote(a)); err == nil || !strings.Contains(err.Error(), "never connected to") {
				t.Errorf("%s: error %v", a, err)
			}
		}
		for _, a := range privateAddresses {
			if err := r.check("auth.example.com", remote(a)); err == nil || !strings.Contains(err.Error(), "add it to allow_private") {
				t.Errorf("%s: error %v", a, err)
			}
			if err := r.checkHost(a); err == nil {
				t.Errorf("%s as a host: no error", a)
			}
		}
		for _, a := range publicAddresses {
			if err := r.check("auth.example.com", remote(a)); err != nil {
				t.Error(err)
			}
		}
		if err := r.check("auth.example.com", "socket"); err == nil {
			t.Error("an address that cannot be read is reached")
		}
	}
}

func TestRefusalsInWords(t *testing.T) {
	for _, test := range []struct{ host, address, want string }{
		{"auth.example.com", "10.0.0.8", "auth.example.com is at 10.0.0.8, a private address, and metadata named it: add it to allow_private if that is right"},
		{"10.0.0.8", "10.0.0.8", "10.0.0.8 is a private address, and metadata named it: add it to allow_private if that is right"},
		{"x.example.com", "::ffff:127.0.0.1", "x.example.com is at 127.0.0.1, a loopback address, and metadata named it: add it to allow_private if that is right"},
		{"x.example.com", "169.254.0.9", "x.example.com is at 169.254.0.9, a link-local address, which is never connected to"},
		{"169.254.169.254", "169.254.169.254", "169.254.169.254 is a cloud metadata address, which is never connected to"},
	} {
		if err := (Reach{}).check(test.host, remote(test.address)); err == nil || err.Error() != test.want {
			t.Errorf("error\n got %v\nwant %s", err, test.want)
		}
	}
}

func TestHostsOfTheConfigurationMayBePrivate(t *testing.T) {
	on := func(set func(*config.Server, string)) func(string) *config.Server {
		return func(u string) *config.Server {
			s := &config.Server{URL: "https://mcp.example.com", OAuth: &config.OAuth{}}
			set(s, u)
			return s
		}
	}
	for name, server := range map[string]func(string) *config.Server{
		"url": on(func(s *config.Server, u string) { s.URL = u }),
		"argument": on(func(s *config.Server, u string) {
			s.URL, s.Command, s.Args = "", "npx", []string{"-y", "mcp-remote", u}
		}),
		"OAUTH_SERVER_URL":               on(func(s *config.Server, u string) { s.OAuth.ServerURL = u }),
		"OAUTH_TOKEN_URL":                on(func(s *config.Server, u string) { s.OAuth.TokenURL = u }),
		"OAUTH_AUTHORIZATION_URL":        on(func(s *config.Server, u string) { s.OAuth.AuthorizationURL = u }),
		"OAUTH_DEVICE_AUTHORIZATION_URL": on(func(s *config.Server, u string) { s.OAuth.DeviceURL = u }),
		"OAUTH_REGISTRATION_URL":         on(func(s *config.Server, u string) { s.OAuth.RegistrationURL = u }),
		"OAUTH_REVOCATION_URL":           on(func(s *config.Server, u string) { s.OAuth.RevocationURL = u }),
		"OAUTH_CLIENT_METADATA_URL":      on(func(s *config.Server, u string) { s.OAuth.ClientMetadataURL = u }),
	} {
		r := NewReach(server("https://Named.corp:8443/x"))
		if err := r.check("named.CORP.", remote("10.0.0.8")); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if r.check("other.corp", remote("10.0.0.8")) == nil || r.check("", remote("10.0.0.8")) == nil {
			t.Errorf("%s: another host is reached", name)
		}
		if r.check("named.corp", remote("169.254.169.254")) == nil {
			t.Errorf("%s: a cloud metadata address is reached", name)
		}
	}
}

func TestAllowPrivate(t *testing.T) {
	r := NewReach(&config.Server{
		URL: "https://mcp.example.com", AllowPrivate: []string{"Auth.Corp", "10.1.0.0/16", "192.168.1.1", "fd12::/16", "[fd13::1]", "169.254.0.0/16", "::ffff:172.16.0.9"},
	})
	for _, ok := range [][2]string{
		{"auth.corp", "172.16.0.1"}, {"x", "10.1.2.3"}, {"x", "::ffff:10.1.2.3"}, {"x", "192.168.1.1"}, {"x", "fd12::9"}, {"x", "fd13::1"}, {"x", "172.16.0.9"},
	} {
		if err := r.check(ok[0], remote(ok[1])); err != nil {
			t.Error(err)
		}
	}
	for _, bad := range [][2]string{
		{"sub.auth.corp", "172.16.0.1"}, {"x", "10.2.0.1"}, {"x", "192.168.1.2"}, {"x", "fd13::2"}, {"x", "169.254.169.254"}, {"x", "169.254.0.1"},
	} {
		if r.check(bad[0], remote(bad[1])) == nil {
			t.Errorf("%q is reached", bad)
		}
	}
}

func TestServerThatIsPrivateItself(t *testing.T) {
	for _, u := range []string{"http://localhost:3000/mcp", "https://127.0.0.1", "https://[::1]/", "https://10.9.9.9/mcp", "https://a.localhost", "https://[fd12::1]"} {
		r := NewReach(&config.Server{URL: u})
		if err := r.check("auth.corp", remote("10.0.0.8")); err != nil || !r.Home() {
			t.Errorf("%s: %v", u, err)
		}
		if r.check("auth.corp", remote("169.254.169.254")) == nil {
			t.Errorf("%s: a cloud metadata address is reached", u)
		}
	}
	if r := NewReach(&config.Server{URL: "https://169.254.1.1/"}); r.Home() {
		t.Error("link-local is no home")
	}
	// Named hosts alone give no right to others.
	if r := NewReach(&config.Server{URL: "https://mcp.example.com", OAuth: &config.OAuth{TokenURL: "https://127.0.0.1/t"}}); r.Home() {
		t.Error("the token endpoint is not the server")
	}
}

// The first answer of a server that has a name decides. A name that is turned round later opens nothing.
func TestServerThatTurnsOutToBePrivate(t *testing.T) {
	home := func() Reach { return NewReach(&config.Server{URL: "https://mcp.corp/mcp"}) }
	at := func(address string) *url.URL {
		u, err := url.Parse(address)
		if err != nil {
			t.Fatal(err)
		}
		return u
	}
	r := home()
	r.met(at("https://MCP.corp:443/x"), remote("10.0.0.7"))
	if err := r.check("auth.corp", remote("10.0.0.8")); err != nil {
		t.Error(err)
	}
	r = home()
	for _, other := range []string{"https://auth.corp", "https://mcp.corp:8443", "http://mcp.corp", "http://mcp.corp:443"} {
		r.met(at(other), remote("10.0.0.7")) // not the server
	}
	if r.check("auth.corp", remote("10.0.0.8")) == nil {
		t.Error("a host that metadata names opens the private network")
	}
	r.met(at("https://mcp.corp"), remote("1.1.1.1"))
	r.met(at("https://mcp.corp"), remote("10.0.0.7"))
	if r.check("auth.corp", remote("10.0.0.8")) == nil || r.AtHome().Home() {
		t.Error("a name that was turned round opens the private network")
	}
	if !home().AtHome().Home() || (Reach{}).AtHome().Home() {
		t.Error("AtHome")
	}
	(Reach{}).met(at("https://mcp.corp"), remote("10.0.0.7"))
	r = NewReach(&config.Server{URL: "http://mcp.corp/mcp"})
	if r.met(at("http://mcp.corp"), remote("10.0.0.7")); r.Home() {
		t.Error("an answer in clear makes it private")
	}
}

func TestDialLooksAtTheAddress(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	for _, host := range []string{"127.0.0.1", "localhost", "::ffff:127.0.0.1"} {
		if conn, err := (Reach{}).Dial(t.Context(), "tcp", net.JoinHostPort(host, port)); err == nil {
			conn.Close()
			t.Errorf("%s was connected to", host)
		} else if !strings.Contains(err.Error(), "a loopback address, and metadata named it") {
			t.Errorf("%s: %v", host, err)
		}
	}
	r := NewReach(&config.Server{URL: "https://localhost:" + port})
	conn, err := r.Dial(t.Context(), "tcp", "localhost:"+port)
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
	named := Reach{&reach{homes: []string{"https://127.0.0.1:" + port}, hosts: []string{"127.0.0.1"}}} // as a name: not known to be private
	if conn, err = named.Dial(t.Context(), "tcp", "127.0.0.1:"+port); err != nil {
		t.Fatal(err)
	}
	conn.Close()
	if named.Home() {
		t.Error("a connection alone makes it private")
	}
	if _, err := r.Dial(t.Context(), "tcp", "localhost"); err == nil {
		t.Error("an address without a port")
	}
}

func TestProxyOfTheEnvironmentMayBePrivate(t *testing.T) { // TestMain names 127.0.0.1:1
	if !isProxy("127.0.0.1:1") || isProxy("127.0.0.1:2") || isProxy("localhost:1") {
		t.Error("the proxy alone is one")
	}
	f, _ := finderOf(t, pages{})
	f.server.OAuth.Version, f.server.OAuth.EnforceHTTPS = "2.0", false
	f.base = newTransport(f.reach, nil)
	for address, want := range map[string]string{
		"http://as.example/":       "as.example: proxy: connection refused",
		"http://169.254.169.254/x": "169.254.169.254 is a cloud metadata address",
		"http://10.0.0.8/x":        "10.0.0.8 is a private address",
	} {
		u, err := f.address("x", address)
		if err == nil {
			_, err = f.get(t.Context(), u, false)
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v", address, err)
		}
	}
}

func FuzzReach(f *testing.F) {
	for _, a := range append(append(neverReached, privateAddresses...), publicAddresses...) {
		f.Add(a)
	}
	f.Fuzz(func(t *testing.T, text string) {
		a, err := netip.ParseAddr(text)
		if err != nil {
			return
		}
		kind := addrKind(a)
		plain := a.Unmap()
		local := plain.IsLoopback() || plain.IsPrivate()
		never := plain.IsUnspecified() || plain.IsMulticast() || plain.IsLinkLocalUnicast()
		if local && kind.name == "" || never && (kind.name == "" || kind.private) {
			t.Errorf("%s is %q", text, kind.name)
		}
	})
}
