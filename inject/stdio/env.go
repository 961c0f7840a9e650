package stdio

import (
	"fmt"
	"slices"
	"strings"

	"bearerd/config"
	"bearerd/secrets"
)

// maxValue is in bytes. Linux refuses a variable or argument over 128 KiB (MAX_ARG_STRLEN); this leaves room for the
// name and for "Bearer ".
const maxValue = 120 << 10

// inherited names what a child gets from bearerd's environment. It is an allow-list, so that nothing of bearerd's own
// (systemd's and Vault's variables, BEARERD_*, what its secret references read) reaches a child unless pass_env says so.
var inherited = []string{
	"PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "TZ", "TERM", "TMPDIR",
	"http_proxy", "https_proxy", "no_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY",
	"SSL_CERT_FILE", "SSL_CERT_DIR", "NODE_EXTRA_CA_CERTS", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE",
}

func inherits(s *config.Server, name string) bool {
	return slices.Contains(inherited, name) || slices.Contains(inheritedHere, name) || passes(s, name) ||
		strings.HasPrefix(name, "LC_") || strings.HasPrefix(name, "XDG_")
}

// environ builds the child's environment: what it inherits, then what is declared, then what is injected. An injected
// name that is declared or passed too is an error, since one of the two values would be lost.
func environ(s *config.Server, injected, declared map[string]secrets.Secret, parent []string) (
	map[string]secrets.Secret, error) {
	env := map[string]secrets.Secret{}
	for _, variable := range parent {
		name, value, _ := strings.Cut(variable, "=")
		if name = variableName(name); inherits(s, name) {
			env[name] = secrets.New(value)
		}
	}
	for name, value := range declared {
		if v := value.Reveal(); len(v) > maxValue || strings.Contains(v, "\x00") {
			return nil, fmt.Errorf("server %q: env: the value of %s is over 120 KiB or holds a NUL", s.Name, name)
		}
		env[variableName(name)] = value
	}
	for name, value := range injected {
		if holds(declared, name) || passes(s, name) {
			return nil, fmt.Errorf("server %q: %s carries the token: remove it from env and pass_env", s.Name, name)
		}
		env[variableName(name)] = value
	}
	return env, nil
}

// holds reports whether a variable is among those, by the system's idea of its name.
func holds(vars map[string]secrets.Secret, name string) bool {
	for n := range vars {
		if variableName(n) == variableName(name) {
			return true
		}
	}
	return false
}

func passes(s *config.Server, name string) bool {
	return slices.ContainsFunc(s.PassEnv, func(passed string) bool { return variableName(passed) == variableName(name) })
}

// tokenVars are the six variables of the guide or, with inject_env, those named there.
func tokenVars(s *config.Server, token secrets.Secret) map[string]secrets.Secret {
	vars := map[string]secrets.Secret{}
	if s.InjectEnv != nil {
		for _, name := range s.InjectEnv {
			vars[name] = token
		}
		return vars
	}
	header := bearer(token)
	vars["ENKRYPT_ACCESS_TOKEN"] = token
	vars["AUTHORIZATION"] = header
	vars["OAUTH_ACCESS_TOKEN"] = token
	vars["OAUTH_TOKEN_TYPE"] = secrets.New("Bearer")
	vars["HTTP_HEADER_Authorization"] = header
	vars["HTTP_HEADER_AUTHORIZATION"] = header
	return vars
}

func bearer(token secrets.Secret) secrets.Secret { return secrets.New("Bearer " + token.Reveal()) }
