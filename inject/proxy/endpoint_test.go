package proxy

import (
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/iotest"
)

// readOpening gives what a caller gets of a stream in which the address for messages becomes NEW.
func readOpening(from io.Reader) (got, named string, err error) {
	o := &opening{Closer: io.NopCloser(nil), from: from, address: func(s string) (string, error) {
		if named = s; s == "bad" {
			return "", errEndpoint
		}
		return "NEW", nil
	}}
	all, err := io.ReadAll(o)
	if len(o.line)+len(o.event)+len(o.out) > 0 {
		err = errors.Join(err, errors.New("something is held"))
	}
	return string(all), named, err
}

var openings = map[string]struct{ in, want, named string }{
	"plain":              {"event: endpoint\ndata: /message?sessionId=1\n\n", "event: endpoint\ndata: NEW\n\n", "/message?sessionId=1"},
	"no space":           {"event:endpoint\ndata:/m\n\n", "event:endpoint\ndata: NEW\n\n", "/m"},
	"returns":            {"event: endpoint\rdata: /m\r\r", "event: endpoint\rdata: NEW\r\r", "/m"},
	"both":               {"event: endpoint\r\ndata: /m\r\n\r\n", "event: endpoint\r\ndata: NEW\r\n\r\n", "/m"},
	"mixed":              {"event: endpoint\rdata: /m\r\n\ndata: 1\r\n\r", "event: endpoint\rdata: NEW\r\n\ndata: 1\r\n\r", "/m"},
	"byte order mark":    {"\xef\xbb\xbfevent: endpoint\ndata: /m\n\n", "\xef\xbb\xbfevent: endpoint\ndata: NEW\n\n", "/m"},
	"mark before data":   {"\xef\xbb\xbfdata: /m\nevent: endpoint\n\n", "\xef\xbb\xbfdata: NEW\nevent: endpoint\n\n", "/m"},
	"data first":         {"data: /m\nid: 7\nevent: endpoint\n\n", "data: NEW\nid: 7\nevent: endpoint\n\n", "/m"},
	"two lines of data":  {"event: endpoint\ndata: /a\n: c\ndata: b\n\n", "event: endpoint\ndata: NEW\n: c\n\n", "/a\nb"},
	"things before":      {": hi\n\nretry: 500\nid: 3\n\nevent: endpoint\n\n:\nid: 4\nevent: endpoint\ndata: /m\n\n", ": hi\n\nretry: 500\nid: 3\n\nevent: endpoint\n\n:\nid: 4\nevent: endpoint\ndata: NEW\n\n", "/m"},
	"the last kind":      {"event: x\nevent: endpoint\ndata: /m\n\n", "event: x\nevent: endpoint\ndata: NEW\n\n", "/m"},
	"not the last kind":  {"event: endpoint\nevent: x\ndata: /m\n\n", "event: endpoint\nevent: x\ndata: /m\n\n", ""},
	"lenient kind":       {"event:  endpoint \ndata: /m\n\n", "event:  endpoint \ndata: NEW\n\n", "/m"},
	"no data":            {"event: endpoint\n\ndata: /m\n\n", "event: endpoint\n\ndata: /m\n\n", ""},
	"empty data":         {"event: endpoint\ndata\n\n", "event: endpoint\ndata: NEW\n\n", ""},
	"another first":      {"data: {}\n\nevent: endpoint\ndata: /m\n\n", "data: {}\n\nevent: endpoint\ndata: /m\n\n", ""},
	"an empty one first": {"data\n\nevent: endpoint\ndata: /m\n\n", "data\n\nevent: endpoint\ndata: /m\n\n", ""},
	"once":               {"event: endpoint\ndata: /m\n\nevent: endpoint\ndata: /m\n\n", "event: endpoint\ndata: NEW\n\nevent: endpoint\ndata: /m\n\n", "/m"},
	"cut in the event":   {": x\nevent: endpoint\ndata: /m\n", ": x\nevent: endpoint\ndata: /m\n", ""},
	"cut in a line":      {"event: endpoint\ndata: /m", "event: endpoint\ndata: /m", ""},
	"cut in a comment":   {"\n\n: comm", "\n\n: comm", ""},
	"empty":              {"", "", ""},
	"too long": {"event: endpoint\nid: " + strings.Repeat("x", maxOpening) + "\ndata: /m\n\n",
		"event: endpoint\nid: " + strings.Repeat("x", maxOpening) + "\ndata: /m\n\n", ""},
	"too long a line": {"data: " + strings.Repeat("x", 3*maxOpening), "data: " + strings.Repeat("x", 3*maxOpening), ""},
	"long": {"event: endpoint\nid: " + strings.Repeat("x", maxOpening-100) + "\ndata: /m\n\nrest",
		"event: endpoint\nid: " + strings.Repeat("x", maxOpening-100) + "\ndata: NEW\n\nrest", "/m"},
}

func TestOpening(t *testing.T) {
	for name, tt := range openings {
		for how, wrap := range map[string]func(io.Reader) io.Reader{
			"at once": func(r io.Reader) io.Reader { return r }, "byte by byte": iotest.OneByteReader, "halved": iotest.HalfReader,
			"with the end": iotest.DataErrReader,
		} {
			got, named, err := readOpening(wrap(strings.NewReader(tt.in)))
			if got != tt.want || named != tt.named || err != nil {
				t.Errorf("%s, %s: %.200q, named %q, %v; want %.200q", name, how, got, named, err, tt.want)
			}
		}
	}
}

// What comes before an address that may not be passed on comes, and nothing after.
func TestOpeningThatIsRefused(t *testing.T) {
	for _, wrap := range []func(io.Reader) io.Reader{iotest.OneByteReader, iotest.DataErrReader} {
		got, _, err := readOpening(wrap(strings.NewReader(": hi\n\nevent: endpoint\ndata: bad\n\ndata: 1\n\n")))
		if got != ": hi\n\n" || !errors.Is(err, errEndpoint) {
			t.Errorf("%q, %v", got, err)
		}
	}
}

func TestOpeningOfABrokenStream(t *testing.T) {
	broken := errors.New("broken")
	got, _, err := readOpening(io.MultiReader(strings.NewReader(": hi\ndata: 1\nda"), iotest.ErrReader(broken)))
	if got != ": hi\ndata: 1\nda" || !errors.Is(err, broken) {
		t.Errorf("%q, %v", got, err)
	}
}

// FuzzOpening: whatever comes, in whatever pieces, is the same, and passes as it is if no address is exchanged.
func FuzzOpening(f *testing.F) {
	for _, tt := range openings {
		if len(tt.in) < 1000 {
			f.Add([]byte(tt.in))
		}
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		whole, named, err := readOpening(strings.NewReader(string(in)))
		pieces, _, perr := readOpening(iotest.OneByteReader(strings.NewReader(string(in))))
		if whole != pieces || (err == nil) != (perr == nil) {
			t.Errorf("%q becomes %q, %v and %q, %v", in, whole, err, pieces, perr)
		}
		if !strings.Contains(string(in), "endpoint") && (whole != string(in) || named != "" || err != nil) {
			t.Errorf("%q becomes %q, %v", in, whole, err)
		}
	})
}

// addressed is a route at a local path whose upstream is at target.
func addressed(t *testing.T, f *fixture, local, target string) *route {
	t.Helper()
	s := f.server("search", target)
	s.OAuth = nil
	if local != "/search" {
		s.Listen = "127.0.0.1:0"
	}
	rt := must(f.proxy.newRoute(&f.cfg.Proxy, "", s, nil))(t)
	if rt.path != local {
		t.Fatalf("the local path is %s", rt.path)
	}
	return rt
}

func TestLocalAddress(t *testing.T) {
	f := newFixture(t)
	const at, origin = "http://upstream.example/v1/sse?tenant=1", "http://upstream.example:80"
	for _, tt := range []struct{ named, path, query string }{
		{"/message?sessionId=a%2Fb+c", "/message", "?sessionId=a%2Fb+c"},
		{"message", "/v1/message", ""},
		{"../message", "/message", ""},
		{"?session=1", "/v1/sse", "?session=1"},
		{"", "/v1/sse", "?tenant=1"},
		{" /m\n ", "/m", ""},
		{"/mes\nsage", "/message", ""},
		{"http://upstream.example/m#x", "/m", ""},
		{"http://upstream.example:80/m", "/m", ""},
		{"HTTP://UPSTREAM.example/m", "/m", ""},
		{"//upstream.example/m", "/m", ""},
		{"http://user:pass@upstream.example/m", "/m", ""},
		{"http://upstream.example?s=1", "/", "?s=1"},
		{"/a%20b/ü", "/a%20b/%C3%BC", ""},
		{"/a//b/;c=1/~d", "/a//b/;c=1/~d", ""},
		{"/m?access_token=t&s=1", "/m", "?s=1"},
		{"/a/../../m", "/m", ""},
		{"/a/%2e%2E/.%2e/m", "/m", ""},
		{`\a\..\m`, "/m", ""},
	} {
		for local, target := range map[string]string{"/search": at, "/v1/sse": at, "/": "http://upstream.example/"} {
			rt := addressed(t, f, local, target)
			got, err := rt.localAddress(must(url.Parse(at))(t), tt.named)
			path := strings.TrimSuffix(local, "/") + "/~" + f.keys.mark("search", origin, tt.path) + tt.path
			if err != nil || got != path+tt.query {
				t.Errorf("%q is %q, %v at %s, want %q", tt.named, got, err, local, path+tt.query)
				continue
			}
			if found := (table{local: rt}).find(path); found != rt {
				t.Errorf("%s is not found", path)
			}
			r := must(http.NewRequest(http.MethodPost, "http://localhost"+got, nil))(t)
			if to := rt.to(r).String(); to != "http://upstream.example"+tt.path+tt.query {
				t.Errorf("%s goes to %s", got, to)
			}
		}
	}
}

func TestAddressesThatAreNotPassedOn(t *testing.T) {
	f := newFixture(t)
	rt := addressed(t, f, "/search", "http://upstream.example/sse")
	for _, named := range []string{
		"http://evil.example/m", "//evil.example/m", `\\evil.example\m`, `/\evil.example/m`, "https://upstream.example/m",
		"http://upstream.example:81/m", "http://upstream.example@evil.example/m", "http:m", "javascript:alert(1)", "ht tp://x/",
		"/a\x00b", "/%zz", "http://upstream.example.evil.example/", "http:///m", "data:,x", "http://[upstream.example/m",
		"\thttp://evil.example/", "ht\ntp://evil.example/m",
	} {
		if got, err := rt.localAddress(rt.target, named); !errors.Is(err, errEndpoint) {
			t.Errorf("%q becomes %q, %v", named, got, err)
		}
	}
	if log := f.log.String(); !strings.Contains(log, `"server":"search"`) || !strings.Contains(log, "not of its own origin") ||
		strings.Contains(log, "evil") {
		t.Errorf("the log says %s", log)
	}
}

// Only what this bearerd has named is an address for messages.
func TestMarksCannotBeMade(t *testing.T) {
	f := newFixture(t)
	rt, other := addressed(t, f, "/search", "http://upstream.example/sse"), addressed(t, f, "/v1/sse", "http://upstream.example/v1/sse")
	other.name = "other"
	routes := table{"/search": rt, "/v1/sse": other}
	const origin = "http://upstream.example:80"
	mark := f.keys.mark("search", origin, "/message")
	if routes.find("/search/~"+mark+"/message") != rt {
		t.Fatal("the address itself is not found")
	}
	for _, path := range []string{
		"/search/~" + mark + "/messages", "/search/~" + mark + "/", "/search/~" + mark, "/search/~" + mark + "/message/",
		"/search/~/message", "/search/message", "/search~" + mark + "/message", "/~" + mark + "/message", "/search/" + mark + "/message",
		"/v1/sse/~" + mark + "/message", "/search/~" + NewKeys().mark("search", origin, "/message") + "/message", "/search/~x" + mark + "/message",
		"/search/~" + mark + "/~" + mark + "/message", "/search/~" + f.keys.mark("search", origin, "") + "", "/search/~" + mark[:21] + "/message",
		"/other/~" + mark + "/message", "//search/~" + mark + "/message", "/SEARCH/~" + mark + "/message", "/search/~" + mark + "//message",
	} {
		if found := routes.find(path); found != nil {
			t.Errorf("%s is found", path)
		}
	}
}
