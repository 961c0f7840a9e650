package vault

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"sync"

	"github.com/hashicorp/vault/api"

	"bearerd/secrets"
)

// hiding orders the clients that are made while variables are hidden.
var hiding sync.Mutex

// fatal are the variables that the library reads whenever it makes a client. Their values are then replaced by ours,
// but one that it cannot parse, or that names a missing file, makes it fail.
var fatal = []string{
	api.EnvVaultMaxRetries, api.EnvVaultClientTimeout, api.EnvVaultSkipVerify, api.EnvVaultSRVLookup,
	api.EnvVaultDisableRedirects, api.EnvRateLimit, api.EnvHTTPProxy, api.EnvVaultProxyAddr, api.EnvVaultHeaders,
	api.EnvVaultCACert, api.EnvVaultCACertBytes, api.EnvVaultCAPath, api.EnvVaultClientCert, api.EnvVaultClientKey,
}

// newAPI makes a client that carries no token and nothing of the environment.
func newAPI(c *secrets.Connection, w *wire) (*api.Client, error) {
	hiding.Lock()
	defer hiding.Unlock()
	conf := &api.Config{
		Address:          c.Address,
		HttpClient:       &http.Client{Transport: w, CheckRedirect: keepRedirect},
		Timeout:          c.Timeout,
		CheckRetry:       func(context.Context, *http.Response, error) (bool, error) { return false, nil },
		DisableRedirects: true,
	}
	client, err := api.NewClient(conf)
	if err != nil {
		// Only a variable can be the reason. It is hidden for the moment that a second try takes, as others may want it:
		// a reference such as env("VAULT_CACERT").
		for _, name := range fatal {
			if value, ok := os.LookupEnv(name); ok {
				_ = os.Unsetenv(name)
				defer func() { _ = os.Setenv(name, value) }()
			}
		}
		if client, err = api.NewClient(conf); err != nil {
			return nil, fmt.Errorf("address %s: %w", c.Address, err)
		}
	}
	headers := http.Header{api.RequestHeaderName: {"true"}}
	if c.Namespace != "" {
		headers.Set(api.NamespaceHeaderName, c.Namespace)
	}
	client.SetHeaders(headers)
	client.SetWrappingLookupFunc(func(string, string) string { return "" })
	client.ClearToken()
	return client, nil
}

// as returns a client of its own for one token; "": without a token. It does not ask for the active node to answer, as
// Vault refuses that with 400 unless its configuration allows it: a standby may answer a read with a value of a moment
// ago, and check-and-set refuses a write that builds on it.
func (c *Client) as(token string) *api.Logical {
	client := c.base.WithRequestCallbacks()
	client.SetToken(token)
	return client.Logical()
}
