package engine

import (
	"encoding/json"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"bearerd/config"
	"bearerd/engine/oauth/oauthtest"
)

func TestAcceptance55_Metrics(t *testing.T) {
	as := authorizationServer(t)
	b := start(t, server(as, "a"), server(as, "b"))
	s := b.source(t, "a")
	for range 9 {
		b.token(t, "a") // a miss, then eight hits
	}
	if _, err := s.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.Invalidate(t.Context()); err != nil {
		t.Fatal(err)
	}
	as.Fail(1, oauthtest.OAuthError(401, "invalid_client", ""))
	if _, err := s.Token(t.Context()); err == nil {
		t.Fatal("no error")
	}
	m := Measure(s)
	want := Metrics{
		Acquisitions: 3, Success: 2, Failure: 1, Hits: 8, Misses: 2, Refreshes: 1, Invalidations: 1,
		HitRatio: 0.8, SuccessRate: 2.0 / 3, Active: 0,
	}
	if m.MinLatency <= 0 || m.AvgLatency < m.MinLatency || m.MaxLatency < m.AvgLatency {
		t.Errorf("latencies %v %v %v", m.MinLatency, m.AvgLatency, m.MaxLatency)
	}
	m.MinLatency, m.AvgLatency, m.MaxLatency = 0, 0, 0
	if m != want {
		t.Errorf("got  %+v\nwant %+v", m, want)
	}
	b.token(t, "b")
	if all := Measure(b.Sources()...); all.Success != 3 || all.Active != 1 {
		t.Errorf("of both: %+v", all)
	}
	if none := Measure(); none != (Metrics{}) {
		t.Errorf("of none: %+v", none)
	}
}

func TestLatenciesCoverTheLastHundred(t *testing.T) {
	s := &Source{}
	s.stats.took(time.Hour)
	for i := range recent {
		s.stats.took(time.Duration(i+1) * time.Millisecond)
	}
	m := Measure(s)
	if m.MinLatency != 1 || m.MaxLatency != 100 || math.Abs(m.AvgLatency-50.5) > 1e-9 {
		t.Errorf("%+v", m)
	}
}

func TestMetricsHaveExactlyTheDocumentedKeys(t *testing.T) {
	b, err := json.Marshal(Metrics{})
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(b, &got); err != nil {
		t.Fatal(err)
	}
	want := []string{"active_tokens", "avg_latency_ms", "cache_hit_ratio", "max_latency_ms", "min_latency_ms", "success_rate",
		"token_acquisitions_failure", "token_acquisitions_success", "token_acquisitions_total", "token_cache_hits",
		"token_cache_misses", "token_invalidations", "token_refreshes"}
	if keys := slices.Sorted(maps.Keys(got)); !slices.Equal(keys, want) {
		t.Errorf("got %v", keys)
	}
}

func TestCollectorShowsThePresentServersOnly(t *testing.T) {
	as := authorizationServer(t)
	b := start(t, server(as, "a"), server(as, "b"))
	b.token(t, "a")
	r := prometheus.NewPedanticRegistry()
	r.MustRegister(Collector{b.Engine})
	const want = `
# HELP bearerd_active_tokens 1 while a valid token is held.
# TYPE bearerd_active_tokens gauge
bearerd_active_tokens{server="a"} 1
bearerd_active_tokens{server="b"} 0
`
	if err := testutil.GatherAndCompare(r, strings.NewReader(want), "bearerd_active_tokens"); err != nil {
		t.Error(err)
	}
	b.Prepare(&config.Config{Servers: []*config.Server{server(as, "b")}}).Commit()
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.Metric {
			for _, l := range m.Label {
				if l.GetValue() == "a" {
					t.Errorf("%s still shows the removed server", f.GetName())
				}
				if !slices.Contains([]string{"server", "result", "reason"}, l.GetName()) {
					t.Errorf("%s has the label %s", f.GetName(), l.GetName())
				}
			}
		}
	}
}

func TestCollectorShowsWhoNeedsAPerson(t *testing.T) {
	as, rs := protected(t)
	b := start(t, delegated(rs), server(as, "b"))
	r := prometheus.NewPedanticRegistry()
	r.MustRegister(Collector{Engine: b.Engine})
	for _, a := range []string{"1", "0"} {
		want := "# HELP bearerd_needs_reauth 1 while a person must act, as the state `needs_reauth` says: sign in, approve a scope (a token may be served then), or supply a refresh token.\n" +
			"# TYPE bearerd_needs_reauth gauge\nbearerd_needs_reauth{server=\"a\"} " + a + "\nbearerd_needs_reauth{server=\"b\"} 0\n"
		if err := testutil.GatherAndCompare(r, strings.NewReader(want), "bearerd_needs_reauth"); err != nil {
			t.Error(err)
		}
		if a == "1" {
			signIn(t, as, b.source(t, "a"))
		}
	}
	b.Close()
}
