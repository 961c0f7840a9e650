package doctor

import (
	"context"
	"crypto/tls"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"bearerd/config"
	"bearerd/engine/oauth"
)

// Two servers of one host have clocks of their own, as they may be behind one address.
func TestDatesByHostAndPort(t *testing.T) {
	d := &Doctor{}
	for range 2 {
		srv := httptest.NewServer(http.NotFoundHandler())
		defer srv.Close()
		w := &wire{client: srv.Client(), url: srv.URL, header: http.Header{}, note: d.dates.note}
		if _, err := w.send(t.Context(), http.MethodPost, []byte("{}"), nil); err != nil {
			t.Fatal(err)
		}
		s := &config.Server{Name: "s", URL: srv.URL}
		p := &patient{Server: s, doctor: d, reach: oauth.NewReach(s), tls: &tls.Config{}}
		if f := p.address(t.Context(), "url", srv.URL); f.result != OK {
			t.Fatal(f)
		}
	}
	if len(d.dates.seen) != 2 {
		t.Errorf("%v", d.dates.seen)
	}
}

// slowly answers each request after its time.
type slowly map[string]time.Duration

func (s slowly) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	for method, after := range s {
		if !strings.Contains(string(body), `"`+method+`"`) {
			continue
		}
		select {
		case <-time.After(after):
		case <-r.Context().Done():
			return nil, r.Context().Err()
		}
	}
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}}, Request: r,
		Body: io.NopCloser(strings.NewReader(`{"jsonrpc":"2.0","id":1,"result":{"protocolVersion":"2025-11-25"}}`))}, nil
}

// A server that answers late may be merely slow.
func TestASlowServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &patient{Server: &config.Server{Name: "s"}, doctor: &Doctor{}, remote: "https://mcp.example.com/mcp"}
		w := &wire{client: &http.Client{Transport: slowly{"initialize": 15 * time.Second, stepTools: 25 * time.Second}}, url: p.remote,
			header: http.Header{}, note: p.doctor.dates.note}
		within := func(limit time.Duration, look func(context.Context) finding) finding {
			ctx, cancel := context.WithTimeout(t.Context(), limit)
			defer cancel()
			return look(ctx)
		}
		begin := func(ctx context.Context) finding { f, _ := p.initialize(ctx, w); return f }
		if f := within(limit, begin); f.result != Failed || !strings.Contains(f.remedy, "slow") {
			t.Errorf("initialize: %+v", f)
		}
		w.asked = 0
		if f := within(2*limit, begin); f.result != OK {
			t.Errorf("initialize: %+v", f)
		}
		list := func(ctx context.Context) finding { return p.tools(ctx, w) }
		if f := within(limit, list); f.result != Failed || !strings.Contains(f.remedy, "slow") {
			t.Errorf("tools/list: %+v", f)
		}
	})
}
