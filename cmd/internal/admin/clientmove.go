package admin

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"bearerd/config"
	"bearerd/secrets"
)

// stays refuses a change of old that would take a secret to where it was not given for: no answer shows it, so that none may
// be had by sending it elsewhere either. Whoever knows it sends it anew with the change.
func (d *draft) stays(old *config.Server) error {
	s := d.server
	if old.OAuth != nil && s.OAuth != nil {
		if err := d.staysOAuth(old); err != nil {
			return err
		}
	}
	if name := d.missing(s.Headers, "header/"); name != "" && s.URL != "" && siteOf(s.URL) != siteOf(old.URL) {
		return &fieldError{"headers", fmt.Sprintf("connection_string moves to another host, and the value of %s does not go along: "+
			"send it anew in the same request, or null", name)}
	}
	if name := d.missing(s.Env, "env/"); name != "" && (s.Command != old.Command || !slices.Equal(s.Args, old.Args)) {
		return &fieldError{"stdio_config.env", fmt.Sprintf("another program is run, and the value of %s does not go along: "+
			"send it anew in the same request, or null", name)}
	}
	return nil
}

// missing is the first of some secrets that did not come with the request; "": all did.
func (d *draft) missing(of map[string]secrets.Ref, prefix string) string {
	for _, name := range slices.Sorted(maps.Keys(of)) {
		if _, given := d.own[prefix+name]; !given {
			return name
		}
	}
	return ""
}

func (d *draft) staysOAuth(old *config.Server) error {
	o, was := d.server.OAuth, secretSites(old)
	within := func(sites, all []string) bool {
		return !slices.ContainsFunc(sites, func(site string) bool { return !slices.Contains(all, site) })
	}
	// A token that is held goes there to be revoked, and there is no sending that anew. One of another token_url is dropped.
	if to := sitesOf(o.RevocationURL); !within(to, was) && !within(to, sitesOf(o.TokenURL)) {
		return &fieldError{"oauth_config.revocation_url", "the tokens that are held would go to another host than that of token_url: " +
			"give token_url at the same host too, or DELETE the OAuth configuration first"}
	}
	if within(secretSites(d.server), was) {
		return nil
	}
	for _, name := range []string{"client_secret", "refresh_token"} {
		ref := map[string]secrets.Ref{"client_secret": o.ClientSecret, "refresh_token": o.RefreshToken}[name]
		if _, given := d.own[name]; !given && !ref.IsZero() {
			return &fieldError{"oauth_config." + name, "the authorization server moves to another host, and the value that is kept " +
				"does not go along: send it anew in the same request, or null"}
		}
	}
	return nil
}

// secretSites are those that the secrets of a grant are sent to, or that say where.
func secretSites(s *config.Server) []string {
	o := s.OAuth
	sites := sitesOf(o.TokenURL, o.ServerURL, o.RevocationURL, o.DeviceURL)
	if o.Discovers() {
		sites = append(sites, sitesOf(s.Resource())...)
	}
	return sites
}

func sitesOf(addresses ...string) (sites []string) {
	for _, address := range addresses {
		if address != "" {
			sites = append(sites, siteOf(address))
		}
	}
	return sites
}

// siteOf is SCHEME://HOST:PORT of an address, as it is compared; what is none stands for itself.
func siteOf(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return address
	}
	scheme, port := strings.ToLower(u.Scheme), u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[scheme]
	}
	return scheme + "://" + strings.TrimSuffix(strings.ToLower(u.Hostname()), ".") + ":" + port
}
