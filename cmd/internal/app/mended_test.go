package app

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"bearerd/inject/proxy"
	"bearerd/secrets"
)

// A secret that the API has changed is in the headers of the next request.
func TestAMendedSecretIsInForceInTheProxy(t *testing.T) {
	var got string
	upstream := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = r.Header.Get("X-Key") }))
	defer upstream.Close()
	r := newReloading(t, fmt.Sprintf("store \"file\" { path = %q }\nproxy { listen = %q }\n"+
		"server \"s\" {\n  url = %q\n  headers = { X-Key = secret(\"s/key\") }\n}\n", filepath.Join(t.TempDir(), "state"), freeAddress(t), upstream.URL))
	r.app.proxy = r.proxy
	for _, value := range []string{"one", "two"} {
		_, revision, _ := r.app.store.Get(t.Context(), secrets.StoreKey("s/key")) // "" before there is one
		if _, err := r.app.store.Put(t.Context(), secrets.StoreKey("s/key"), []byte(value), revision); err != nil {
			t.Fatal(err)
		}
		r.app.API(0).Mended()
		address, url := proxy.Local(r.app.config.Load(), r.app.config.Load().Server("s"))
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, strings.Replace(url, address, r.proxy.Bound(address)[0], 1), strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Authorization", "Bearer "+r.app.keys.Issue("s", "test").Reveal())
		resp, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(request)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusOK || got != value {
			t.Errorf("%s: upstream got %q, want %q", resp.Status, got, value)
		}
	}
}
