package proxy

import (
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
