package main_test

import (
	"fmt"
	"strings"
	"testing"
)

// hostile are VAULT_* variables that would break or redirect the library; the proxies would see all that is sent.
var hostile = []string{"VAULT_SKIP_VERIFY=maybe", "VAULT_MAX_RETRIES=many", "VAULT_CLIENT_TIMEOUT=soon", "VAULT_RATE_LIMIT=x:y",
	"VAULT_AGENT_ADDR=http://127.0.0.1:1", "VAULT_PROXY_ADDR=http://127.0.0.1:1", "VAULT_HTTP_PROXY=http://127.0.0.1:1",
	"VAULT_CAPATH=/nonexistent", "VAULT_CACERT_BYTES=canary", "VAULT_SRV_LOOKUP=true", "VAULT_HEADERS=not json",
	"VAULT_WRAP_TTL=1m", "VAULT_MFA=x", "VAULT_DISABLE_REDIRECTS=perhaps", "VAULT_CLI_NO_COLOR=1"}

// No VAULT_* variable changes what the file says, and those that nobody honours have no effect at all.
func TestVaultHostileEnvironment(t *testing.T) {
	t.Parallel()
	v := startVaulted(t, append(hostile, "VAULT_ADDR=http://127.0.0.1:1", "VAULT_TOKEN=canary-wrong-token")...)
	v.private("canary-wrong-token")
	v.configure(v.block, shared, server("s", nothing, v.grantInVault()))
	d := v.daemon()
	token := v.token("s")
	if _, active := v.as.Introspect(token); !active {
		t.Error("the token is not active")
	}
	if said := v.run("check").stderr; strings.Contains(said, "VAULT_") {
		t.Errorf("check says of variables that have no effect: %q", said)
	}
	d.stop()
	if v.token("s") != token {
		t.Error("without a daemon the token is another one")
	}
}

// What the block leaves out comes from the environment, and check says which.
func TestVaultEnvironmentFillsIn(t *testing.T) {
	t.Parallel()
	v := startVaulted(t)
	token := v.vault.Token("1h", "bearerd")
	v.private(token)
	v.env = append(v.env, "VAULT_ADDR="+v.vault.TLSAddr, "VAULT_CACERT="+v.vault.CAFile, "VAULT_TOKEN="+token)
	v.env = append(v.env, hostile...)
	v.configure("vault {\nauth \"token\" {}\n}\n", shared, server("s", nothing, v.grantInVault()))
	said := v.run("check").stderr
	for attr, variable := range map[string]string{"address": "VAULT_ADDR", "ca_path": "VAULT_CACERT", "token": "VAULT_TOKEN"} {
		if want := fmt.Sprintf("vault %s is taken from %s", attr, variable); !strings.Contains(said, want) {
			t.Errorf("check does not say %q:\n%s", want, said)
		}
	}
	d := v.daemon()
	v.token("s")
	d.stop()
	if _, err := v.vault.DoErr("POST", "auth/token/lookup", map[string]any{"token": token}); err != nil {
		t.Errorf("the token that was given has been revoked: %v", err)
	}
}
