package oauth_test

import (
	"os"
	"testing"

	"go.uber.org/goleak"
)

// TestMain sets proxies where nobody listens, since net/http reads the environment once. Loopback addresses pass them by, and
// so do the name of the second one and names that tests connect to.
func TestMain(m *testing.M) {
	for _, name := range []string{"HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy", "http_proxy"} {
		os.Unsetenv(name)
	}
	os.Setenv("HTTP_PROXY", "http://user:canary-proxy-password@127.0.0.1:1")
	os.Setenv("HTTPS_PROXY", "http://proxy.test:3128")
	os.Setenv("NO_PROXY", "proxy.test,mcp.example.com,no-such-host.invalid")
	goleak.VerifyTestMain(m)
}

func TestProxyOfTheEnvironment(t *testing.T) {
	_, c := newServer(t)
	c.Version, c.TokenURL = "2.0", "http://as.example/token"
	mustFail(t, c, "OAuth token request failed: as.example: proxy: connection refused (correlation_id="+testID+")")
}
