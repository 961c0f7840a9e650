package doctor

import (
	"crypto/x509"
	"net/http"
	"strings"
	"testing"
	"time"

	"bearerd/config"
	"bearerd/engine"
	"bearerd/engine/oauth"
)

func TestSkew(t *testing.T) {
	for off, want := range map[time.Duration]Result{
		0: OK, 29 * time.Second: OK, -29 * time.Second: OK, 31 * time.Second: Warned, -4 * time.Minute: Warned,
		6 * time.Minute: Failed, -time.Hour: Failed,
	} {
		if f := skew(off, "auth.example.com", 2); f.result != want || f.result != OK && f.remedy == "" {
			t.Errorf("%s: %+v", off, f)
		}
	}
	if f := skew(-time.Hour, "auth.example.com", 1); !strings.Contains(f.detail, "1h0m0s behind the Date of auth.example.com") {
		t.Errorf("%q", f.detail)
	}
}

func TestDatesThatCannotBeReadDoNotCount(t *testing.T) {
	var d dates
	d.note("a", http.Header{}, time.Now())
	d.note("b", http.Header{"Date": {"yesterday"}}, time.Now())
	if len(d.seen) != 0 {
		t.Errorf("%v", d.seen)
	}
}

// One clock against another says nothing of who is right, and most of them do.
func TestWhoseClockIsWrong(t *testing.T) {
	for _, c := range []struct {
		seen map[string]time.Duration
		want Result
		name string
	}{
		{map[string]time.Duration{"a": time.Hour}, Failed, "of a"},
		{map[string]time.Duration{"a": 0, "late": time.Hour}, Warned, "by late"},
		{map[string]time.Duration{"a": 0, "early": -time.Hour, "b": time.Second}, Warned, "by early"},
		{map[string]time.Duration{"a": time.Hour, "b": 59 * time.Minute, "c": 0}, Failed, "and 2 more"},
	} {
		if f := judge(c.seen); f.result != c.want || !strings.Contains(f.detail, c.name) {
			t.Errorf("%v: %+v", c.seen, f)
		}
	}
}

func TestTheDateOfACacheDoesNotCount(t *testing.T) {
	var d dates
	d.note("a", http.Header{"Date": {"Sun, 22 Nov 2026 10:00:00 GMT"}, "Age": {"3600"}}, time.Now())
	if len(d.seen) != 0 {
		t.Errorf("%v", d.seen)
	}
}

// An offline_access that was added without being asked for is not missed where a refresh token came.
func TestWantedScopes(t *testing.T) {
	p := &patient{Server: &config.Server{}, doctor: &Doctor{}, oauth: &config.OAuth{GrantType: "authorization_code"},
		found: &engine.Found{Target: &oauth.Target{OAuth: &config.OAuth{Scope: "read offline_access"}}}}
	if s := p.wanted(); s != "read" {
		t.Errorf("%q", s)
	}
	p.oauth.Scope = "read offline_access"
	if s := p.wanted(); s != "read offline_access" {
		t.Errorf("%q", s)
	}
}

func TestEnding(t *testing.T) {
	now := time.Now()
	const days = 24 * time.Hour
	for _, c := range []struct {
		life, left time.Duration
		want       bool
	}{
		{90 * days, 22 * days, false}, {90 * days, 20 * days, true}, {365 * days, -days, true},
		{6 * days, 3 * days, false}, {6 * days, days, true}, // short-lived on purpose
	} {
		leaf := &x509.Certificate{NotBefore: now.Add(c.left - c.life), NotAfter: now.Add(c.left)}
		if got := ending(leaf, now); got != c.want {
			t.Errorf("life %s, left %s: %t", c.life, c.left, got)
		}
	}
}

func TestCompareScopes(t *testing.T) {
	for _, c := range []struct {
		asked, granted string
		refused        bool
		want           Result
	}{
		{"a b", "b a c", false, OK}, {"", "", false, OK}, {"a b", "a", false, Warned}, {"a b", "a", true, Failed},
	} {
		if f := compareScopes(c.asked, c.granted, c.refused); f.result != c.want {
			t.Errorf("%+v: %+v", c, f)
		}
	}
}

// What fails for the reason of an earlier step is one fault, not two.
func TestTheSameFaultIsToldOnce(t *testing.T) {
	var told []Step
	ch := &chart{begun: func(string, string) {}, ended: func(s Step) { told = append(told, s) }}
	ch.take("upstream", func() finding { return bad("set it", "one") })
	ch.take("authorization server", func() finding { return bad("set it", "two") })
	ch.take("token", func() finding { return bad("do that", "three") })
	if told[0].Result != Failed || told[1].Result != Skipped || told[2].Result != Failed || !strings.Contains(told[1].Detail, "as with upstream") {
		t.Errorf("%+v", told)
	}
}

func TestReadFindsTheResponse(t *testing.T) {
	const response = `{"jsonrpc":"2.0","id":1,"result":{}}`
	for name, c := range map[string]struct {
		kind, body string
		found      bool
	}{
		"json":           {"application/json", response, true},
		"another id":     {"application/json", strings.Replace(response, "1", "2", 1), false},
		"html":           {"text/html", "<html>", false},
		"events":         {"text/event-stream", "data: {\"method\":\"x\"}\n\nevent: message\r\ndata: " + response + "\r\n\r\ndata: more\n", true},
		"no last line":   {"text/event-stream", "data: " + response, true},
		"in two lines":   {"text/event-stream", "data: {\"id\":1,\ndata: \"result\":{}}\n\n", true},
		"error, no id":   {"application/json", `{"id":null,"error":{"code":-32600,"message":"no"}}`, true},
		"nothing at all": {"", "", false},
	} {
		if m, err := read(strings.NewReader(c.body), c.kind, 1); err != nil || (m != nil) != c.found {
			t.Errorf("%s: %+v, %v", name, m, err)
		}
	}
}

func TestAddressesAreShownWithoutTheirKeys(t *testing.T) {
	if s := shown("https://user:secret@mcp.example.com/a%2Fb?key=secret#x"); s != "https://mcp.example.com/a%2Fb" {
		t.Error(s)
	}
}
