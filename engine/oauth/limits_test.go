package oauth

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"bearerd/secrets"
)

// address is a URL of auth.example.com that takes that many bytes as JSON.
func address(size int) string {
	u := "https://" + auth + "/"
	return u + strings.Repeat("x", size-len(u))
}

// largest is the largest metadata that discovery gives.
func largest(t *testing.T, scopes string) *Metadata {
	t.Helper()
	resource := "https://" + mcp + "/" + strings.Repeat("x", maxKeptURL-len("https://"+mcp+"/"))
	d := `{"issuer":"` + address(maxKeptURL) + `"`
	for _, member := range members {
		d += fmt.Sprintf(`,%q:%q`, member, address(maxKeptURL))
	}
	d += `,"scopes_supported":["offline_access"],"token_endpoint_auth_methods_supported":
		["none","client_secret_basic","client_secret_post","private_key_jwt","tls_client_auth","client_secret_jwt"],
		"token_endpoint_auth_signing_alg_values_supported":
		["RS256","RS384","RS512","PS256","PS384","PS512","ES256","ES384","ES512","EdDSA","HS256"],
		"code_challenge_methods_supported":["plain","S256"],"client_id_metadata_document_supported":true,
		"authorization_response_iss_parameter_supported":true}`
	f, _ := finderOf(t, pages{
		mcp + prm: fmt.Sprintf(`{"resource":%q,"authorization_servers":[%q],"scopes_supported":[%q]}`, resource, address(maxKeptURL), scopes),
		auth + asm + strings.TrimPrefix(address(maxKeptURL), "https://"+auth): d,
	})
	f.server.URL = resource
	m, err := f.discover(t.Context(), Challenge{}, "")
	if err != nil {
		t.Fatal(err)
	}
	m.Private = true
	return m
}

func TestLargestMetadata(t *testing.T) {
	for _, scopes := range []string{"", strings.Repeat("s", maxScopes), strings.Repeat("<", maxScopes/6)} {
		m := largest(t, scopes)
		b, err := json.Marshal(m)
		if err != nil || len(b) > maxMetadata {
			t.Errorf("%d bytes, error %v", len(b), err)
		}
		if len(m.AuthMethods) != 5 || len(m.SigningAlgs) != 10 || len(m.ChallengeMethods) != 1 {
			t.Errorf("%+v", *m)
		}
	}
	m := &Metadata{Scopes: "a"}
	if m.cut(); m.Scopes != "a" {
		t.Error("scopes for which there is room were left out")
	}
}

func TestAddressesThatAreTooLargeToBeKept(t *testing.T) {
	for _, member := range members {
		for _, long := range []string{address(maxKeptURL + 1), "https://" + auth + "/?" + strings.Repeat("&", 200)} {
			_, _, err := discoverIssuer(t, "https://"+auth, pages{auth + asm: withMember(member, long)})
			wantError(t, err, true, member+" in the metadata at "+auth+" is over 1 KiB")
		}
		if _, _, err := discoverIssuer(t, "https://"+auth, pages{auth + asm: withMember(member, address(maxKeptURL))}); err != nil {
			t.Errorf("%s: %v", member, err)
		}
	}
	long := address(maxKeptURL + 1)
	path := strings.TrimPrefix(long, "https://"+auth)
	_, _, err := discoverIssuer(t, long, pages{auth + asm + path: issuerJSON(long)})
	wantError(t, err, true, "issuer in the metadata at "+auth+" is over 1 KiB")
	resource := strings.Replace(long, auth, mcp, 1)
	f, _ := finderOf(t, pages{mcp + prm: resourceJSON(resource+"xx", "https://"+auth)})
	f.server.URL = resource + "xx"
	_, err = f.discover(t.Context(), Challenge{}, "")
	wantError(t, err, true, "resource in the metadata of "+mcp+" is over 1 KiB")
}

// All that comes from here and is kept leaves the engine some room for its own.
func TestWhatIsKeptFitsARecord(t *testing.T) {
	const room = 4 << 10
	if MaxKept+room > secrets.MaxValue {
		t.Errorf("%d bytes of %d", MaxKept, secrets.MaxValue)
	}
	m := largest(t, strings.Repeat("s", maxScopes))
	b, err := json.Marshal(map[string]any{
		"access_token": strings.Repeat("a", maxAccess), "refresh_token": strings.Repeat("r", maxRefresh), "scope": strings.Repeat("s", maxScope),
		"metadata": m, "issuer": m.Issuer, "pinned_issuer": m.Issuer,
		"client": map[string]any{
			"issuer": m.Issuer, "client_id": strings.Repeat("c", maxClientID), "client_secret": strings.Repeat("s", maxClientSecret),
			"method": strings.Repeat("m", maxMethod),
		},
	})
	const names = 256
	if err != nil || len(b) > MaxKept+names {
		t.Errorf("%d bytes, want %d; error %v", len(b), MaxKept, err)
	}
}
