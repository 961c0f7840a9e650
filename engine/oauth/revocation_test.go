package oauth

import (
	"net/url"
	"slices"
	"testing"
)

func TestParentsOfATokenEndpoint(t *testing.T) {
	for address, want := range map[string][]string{
		"https://as.example/token": {"https://as.example"},
		"https://as.example":       {"https://as.example"},
		"https://as.example:8443/realms/x/protocol/openid-connect/token?a=b": {"https://as.example:8443",
			"https://as.example:8443/realms", "https://as.example:8443/realms/x", "https://as.example:8443/realms/x/protocol"},
	} {
		at, err := url.Parse(address)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, u := range parents(at) {
			got = append(got, u.String())
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %v", address, got)
		}
	}
}
