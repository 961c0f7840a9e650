package admin

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"bearerd/config"
	"bearerd/engine"
	"bearerd/engine/oauth"
)

// An error is put down to the request only where it is about the server of the request.
func TestWhoseFaultABrokenConfigurationIs(t *testing.T) {
	wrong := func(d config.Diagnostic) config.Diagnostic {
		d.Message, d.Remedy = "url must be a string", "mend it"
		d.Field = "url"
		return d
	}
	other := wrong(config.Diagnostic{File: "/etc/bearerd/z.hcl", Line: 3, Server: "zz"})
	for name, c := range map[string]struct {
		d    config.Diagnostics
		ours bool
	}{
		"of config.Make":                    {config.Diagnostics{wrong(config.Diagnostic{})}, true},
		"about the server":                  {config.Diagnostics{wrong(config.Diagnostic{File: "/etc/bearerd/x.hcl", Server: "tracker"})}, true},
		"in its file":                       {config.Diagnostics{wrong(config.Diagnostic{File: "/etc/bearerd/conf.d/tracker.hcl", Line: 1})}, true},
		"in another file":                   {config.Diagnostics{other}, false},
		"in a file with a name like it":     {config.Diagnostics{wrong(config.Diagnostic{File: "/etc/bearerd/mytracker.hcl"})}, false},
		"in another file, and then in ours": {config.Diagnostics{other, wrong(config.Diagnostic{Server: "tracker", File: "x"})}, true},
	} {
		err := edited(fmt.Errorf("loading: %w", c.d), "tracker")
		status, _ := judged(err)
		var field *fieldError
		switch {
		case c.ours && (status != http.StatusBadRequest || !errors.As(err, &field) || field.field != "connection_string"):
			t.Errorf("%s: %d %v", name, status, err)
		case !c.ours && (status != http.StatusConflict || !errors.Is(err, ErrBroken) || errors.As(err, &field)):
			t.Errorf("%s: %d %v", name, status, err)
		}
	}
	if text := edited(config.Diagnostics{other}, "tracker").Error(); !strings.Contains(text, "/etc/bearerd/z.hcl:3: url must be a string: mend it") {
		t.Error(text)
	}
}

// Where an address is out of reach, the setting that would allow it is named.
func TestAnAddressOutOfReachNamesTheRemedy(t *testing.T) {
	s := config.DefaultServer("tracker")
	s.Made, s.URL = true, "https://10.0.0.7/mcp"
	_, reach := oauth.NewReach(s).CheckURLs(s)
	if !errors.Is(reach, oauth.ErrOutOfReach) {
		t.Fatal(reach)
	}
	err := worded(&engine.Error{Server: "tracker", Reason: "it cannot be reached", Remedy: "start it",
		Err: fmt.Errorf("asking: %w", &oauth.Error{Err: reach})})
	if status, _ := judged(err); status != http.StatusBadGateway || !strings.Contains(err.Error(), `admin { allow_private = ["10.0.0.7"] }`) {
		t.Error(err)
	}
	if reason, remedy := failedBecause("tracker", &engine.Error{Server: "tracker", Reason: "no", Remedy: "run `bearerd login tracker`",
		Err: errors.New("other")}); reason != "no" || !strings.Contains(remedy, "/api/mcp/client/tracker/reauthorize") {
		t.Errorf("%q %q", reason, remedy)
	}
}

func TestMetadataThatNamesAnAddressOutOfReach(t *testing.T) {
	h := newHouse(t)
	h.as.EditMetadata(func(m map[string]any) { m["token_endpoint"] = "http://10.0.0.7/token" })
	h.problem(http.StatusBadGateway, "", "admin { allow_private", http.MethodPost, clients, h.unattended(map[string]any{
		"oauth_config.token_url": nil, "oauth_config.server_url": nil}))
	h.wantNothingOf("tracker")
}

// The names of fields are those of the request, in what is wrong as in what to do.
func TestAReasonNamesTheFieldsOfTheRequest(t *testing.T) {
	reason, remedy := reasonAndRemedy(&engine.Error{Server: "a", Reason: "OAUTH_TOKEN_URL is bad", Remedy: "verify OAUTH_TOKEN_URL"})
	if reason != "oauth_config.token_url is bad" || remedy != "verify oauth_config.token_url" {
		t.Errorf("%q, %q", reason, remedy)
	}
}
