package proxy

import (
	"io"
	"net/http"
	"testing"
	"time"
)

func TestAgeOf(t *testing.T) {
	for value, want := range map[string]time.Duration{
		"": poolAge, "timeout=5": 4 * time.Second, "max=100, Timeout=20": 19 * time.Second, "timeout=1": 0, "timeout=600": poolAge,
		"timeout=": poolAge, "timeout=x": poolAge, "timeout=99999999999": poolAge, "timeout": poolAge, "timeout=0": -time.Second,
	} {
		if got := ageOf([]byte(value)); got != want {
			t.Errorf("%q: %v, want %v", value, got, want)
		}
	}
}

// A connection is used no longer than upstream says that it keeps it.
func TestUpstreamSaysHowLong(t *testing.T) {
	for value, want := range map[string]time.Duration{"timeout=5": 4 * time.Second, "": poolAge} {
		f := newFixture(t)
		up := upstream(t, func(w http.ResponseWriter, r *http.Request) {
			if value != "" {
				w.Header().Set("Keep-Alive", value)
			}
		})
		f.serve(unguarded("s", up.URL))
		if a := f.post("s"); a.StatusCode != http.StatusOK {
			t.Fatal(a.StatusCode, a.body)
		}
		pool := &(*f.proxy.servers.Load())["s"].quick.pool
		eventually(t, "the connection is put back", func() bool {
			pool.mu.Lock()
			defer pool.mu.Unlock()
			return len(pool.idle) == 1 && pool.idle[0].age == want
		})
	}
}

// What upstream says of its connection counts although its answer took long, and other requests were made meanwhile.
func TestUpstreamSaysHowLongBeforeAStream(t *testing.T) {
	f := newFixture(t)
	goOn := make(chan bool)
	up := upstream(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Keep-Alive", "timeout=5")
		if r.URL.RawQuery == "slow" {
			_ = http.NewResponseController(w).Flush()
			<-goOn
		}
	})
	f.serve(unguarded("s", up.URL))
	slow := must(f.client.Do(f.request(http.MethodPost, "s?slow", "{}")))(t)
	defer func() { _ = slow.Body.Close() }()
	for range 20 {
		f.post("s")
	}
	close(goOn)
	_ = must(io.ReadAll(slow.Body))(t)
	pool := &(*f.proxy.servers.Load())["s"].quick.pool
	eventually(t, "both are put back", func() bool {
		pool.mu.Lock()
		defer pool.mu.Unlock()
		return len(pool.idle) == 2 && pool.idle[0].age == 4*time.Second && pool.idle[1].age == 4*time.Second
	})
}
