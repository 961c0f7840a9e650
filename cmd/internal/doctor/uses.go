package doctor

import (
	"maps"
	"slices"

	"bearerd/config"
	"bearerd/secrets"
)

// Use is one place where a configuration refers to a secret.
type Use struct {
	What string // the field, or the map and the name in it
	Ref  secrets.Ref
}

// Uses lists what a server refers to, but for certificates and keys in files: the loader has read those.
func Uses(s *config.Server) (list []Use) {
	one := func(what string, ref secrets.Ref) {
		if !ref.IsZero() {
			list = append(list, Use{what, ref})
		}
	}
	all := func(prefix string, refs map[string]secrets.Ref) {
		for _, name := range slices.Sorted(maps.Keys(refs)) {
			one(prefix+" "+name, refs[name])
		}
	}
	pem := func(what string, ref secrets.Ref) {
		if ref.Kind != secrets.File {
			one(what, ref)
		}
	}
	all("env", s.Env)
	all("headers", s.Headers)
	if o := s.OAuth; o != nil && o.Enabled {
		one("OAUTH_CLIENT_SECRET", o.ClientSecret)
		one("OAUTH_REFRESH_TOKEN", o.RefreshToken)
		if o.UseMTLS {
			pem("OAUTH_CLIENT_CERT_PATH", o.ClientCertPath)
			pem("OAUTH_CLIENT_KEY_PATH", o.ClientKeyPath)
		}
		pem("OAUTH_PRIVATE_KEY_PATH", o.PrivateKeyPath)
		pem("OAUTH_CA_BUNDLE_PATH", o.CABundlePath)
		all("OAUTH_AUTHORIZATION_PARAMS", o.AuthorizationParams)
		all("OAUTH_ADDITIONAL_PARAMS", o.AdditionalParams)
		all("OAUTH_CUSTOM_HEADERS", o.CustomHeaders)
	}
	return list
}

// VaultUses lists what the login to Vault refers to.
func VaultUses(c *secrets.Connection) (list []Use) {
	a := c.Auth
	for _, u := range []Use{{"token", a.Token}, {"role_id", a.RoleID}, {"secret_id", a.SecretID}, {"jwt", a.JWT}} {
		if !u.Ref.IsZero() {
			list = append(list, u)
		}
	}
	return list
}
