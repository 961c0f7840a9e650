package proxy

import (
	"net/http"
	"net/url"
	"slices"
	"testing"

	"bearerd/config"
)

func TestConfined(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{"a=1", "a=1; Path=/search"},
		{"a=1; Path=/", "a=1; Path=/search"},
		{"a=1;path=/v1 ;HttpOnly", "a=1;HttpOnly; Path=/search"},
		{"a=1; PATH = /v1/mcp; Domain=.example.com; Secure", "a=1; Secure; Path=/search"},
		{"a=1; Path=/v1/", "a=1; Path=/search"},
		{"a=1; Path=relative", "a=1; Path=/search"},
		{"a=1; Path=", "a=1; Path=/search"},
		{`a="b,c d"; Expires=Wed, 09 Jun 2027 10:18:14 GMT; X-New=1; SameSite=None; Priority=High`,
			`a="b,c d"; Expires=Wed, 09 Jun 2027 10:18:14 GMT; X-New=1; SameSite=None; Priority=High; Path=/search`},
		{"a=b=c==; Max-Age=0", "a=b=c==; Max-Age=0; Path=/search"},
		{"__Host-a=1; Secure; Path=/", "__Host-a=1; Secure; Path=/search"},
		{"a=1; Path=/other; Path=/v1", "a=1; Path=/search"},
		{"a=\xff\"; Domain", "a=\xff\"; Path=/search"},
		{"a=1; Path=/v1/message", "a=1; Path=/search"}, // of the address for messages
		{"a=1; Path=/other", ""},
		{"a=1; Path=/v1; Path=/other", ""},
		{"a=1; Path=/v", ""},
		{"a=1; Path=/v1/mcp/deeper", ""},
		{"a=1; Path=/v1/mc", ""},
		{"a=1; Path=/V1", ""},
		{OwnCookies + "search=1", ""},
		{" " + OwnCookies + "search=1; Path=/v1", ""},
		{"=" + OwnCookies + "search=1", ""}, // browsers send it back without the first =
		{" =\t" + OwnCookies + "search=1; Path=/v1", ""},
		{"==" + OwnCookies + "search=1", ""},
	} {
		got, ok := confined(tt.in, "/search", "/v1/message/x", "/v1/mcp")
		if ok != (tt.want != "") || got != tt.want {
			t.Errorf("%q becomes %q, %v, want %q", tt.in, got, ok, tt.want)
		}
	}
	if got, ok := confined("a=1", "/a;b", "/", "/a;b"); ok {
		t.Errorf("a path that a cookie cannot name: %q", got)
	}
}

// A cookie of a server is sent to it alone, and to its address for messages: a client's own jar says so.
func TestCookiesStayWithTheirServer(t *testing.T) {
	onBothPaths(t, func(t *testing.T, f *fixture) {
		shown := make(chan []string, 1)
		up := upstream(t, func(w http.ResponseWriter, r *http.Request) {
			shown <- r.Header["Cookie"]
			for _, line := range []string{"s=1; Path=/; HttpOnly; Domain=127.0.0.1", "t=2; Path=/mcp", "u=3; Path=/admin", "v=4"} {
				w.Header().Add("Set-Cookie", line)
			}
		})
		deep := f.server("deep", up.URL+"/deep/mcp")
		deep.Listen = "127.0.0.1:" + freePort(t)
		f.serve(f.server("search", up.URL+"/mcp"), f.server("search2", up.URL+"/mcp"), deep)
		a := f.post("search")
		receive(t, shown, "the request")
		want := []string{"s=1; HttpOnly; Path=/search", "t=2; Path=/search", "v=4; Path=/search"}
		if got := a.Header["Set-Cookie"]; !slices.Equal(got, want) {
			t.Errorf("search: %q", got)
		}
		req := f.request(http.MethodPost, "search", call)
		req.URL = must(url.Parse("http://" + deep.Listen + "/deep/mcp"))(t)
		req.Header.Set("Authorization", "Bearer "+f.keys.Issue("deep", "t").Reveal())
		want = []string{"s=1; HttpOnly; Path=/deep/mcp", "v=4; Path=/deep/mcp"}
		if got := f.do(req).Header["Set-Cookie"]; !slices.Equal(got, want) {
			t.Errorf("deep: %q", got)
		}
		receive(t, shown, "the request")
	})
}

// What browsers hold for bearerd's own sign-ins goes to no server; all else goes as it was.
func TestOwnCookiesDoNotPass(t *testing.T) {
	onBothPaths(t, func(t *testing.T, f *fixture) {
		shown := make(chan []string, 1)
		up := upstream(t, func(w http.ResponseWriter, r *http.Request) {
			shown <- r.Header["Cookie"]
			w.Header().Add("Set-Cookie", "bearerd_flow_search=tossed; Path=/")
		})
		s := f.server("search", up.URL)
		f.serve(s, &config.Server{Name: "x", Command: "true"})
		for _, tt := range []struct{ in, want []string }{
			{nil, nil},
			{[]string{`a=1;b="2 ;  c`, "d"}, []string{`a=1;b="2 ;  c`, "d"}},
			{[]string{"a=1; bearerd_flow_search=canary; b=2"}, []string{"a=1; b=2"}},
			{[]string{"bearerd_flow_search=canary;b=2;"}, []string{"b=2;"}},
			{[]string{"bearerd_flow_search=canary; bearerd_flow_x=canary"}, nil},
			{[]string{"bearerd_flow_search=canary", "a=bearerd_flow_1"}, []string{"a=bearerd_flow_1"}},
		} {
			req := f.request(http.MethodPost, "search", call)
			req.Header["Cookie"] = tt.in
			a := f.do(req)
			if got := receive(t, shown, "the request"); !slices.Equal(got, tt.want) {
				t.Errorf("%q becomes %q, want %q", tt.in, got, tt.want)
			}
			if a.Header["Set-Cookie"] != nil {
				t.Errorf("upstream sets %q", a.Header["Set-Cookie"])
			}
		}
	})
}
