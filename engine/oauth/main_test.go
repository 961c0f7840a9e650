package oauth_test

import (
	"os"
	"testing"

	"go.uber.org/goleak"
)

// TestMain sets a proxy where nobody listens, since net/http reads the environment once. Loopback addresses pass it by.
func TestMain(m *testing.M) {
	for _, name := range []string{"HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy", "http_proxy"} {
		os.Unsetenv(name)
	}
	os.Setenv("HTTP_PROXY", "http://user:canary-proxy-password@127.0.0.1:1")
	goleak.VerifyTestMain(m)
}

func TestProxyOfTheEnvironment(t *testing.T) {
	_, c := newServer(t)
	c.Version, c.TokenURL = "2.0", "http://as.example/token"
	mustFail(t, c, "OAuth token request failed: as.example: proxy: connection refused (correlation_id="+testID+")")
}
