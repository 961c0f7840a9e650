package oauth_test

import (
	"testing"
	"time"

	"bearerd/secrets"
)

// The answers are those that the providers document or give, with other values.
func TestAnswersOfProviders(t *testing.T) {
	const google = "openid https://www.googleapis.com/auth/userinfo.email https://www.googleapis.com/auth/calendar.readonly"
	for name, test := range map[string]struct {
		contentType, body       string
		asked                   string
		access, refresh, scopes string
		life                    time.Duration
	}{
		"GitHub, form": {
			formType, "access_token=gho_16C7e42F292c6912E7710c838347Ae178B4a&scope=repo%2Cgist&token_type=bearer",
			"repo gist", "gho_16C7e42F292c6912E7710c838347Ae178B4a", "", "repo gist", 0,
		},
		"GitHub, JSON": {
			"application/json; charset=utf-8", `{"access_token":"gho_16C7","scope":"repo,gist","token_type":"bearer"}`,
			"gist repo", "gho_16C7", "", "repo gist", 0,
		},
		"Google, first time": {
			jsonType, `{"access_token":"ya29.a0Af","expires_in":3599,"refresh_token":"1//0gYx","scope":"` + google +
				`","token_type":"Bearer","id_token":"eyJhbGciOiJSUzI1NiJ9.e30.c2ln"}`,
			"openid email https://www.googleapis.com/auth/calendar.readonly", "ya29.a0Af", "1//0gYx", google, 3599 * time.Second,
		},
		"Google, later": {
			jsonType, `{"access_token":"ya29.a0Ag","expires_in":3599,"scope":"` + google + `","token_type":"Bearer"}`,
			"openid email https://www.googleapis.com/auth/calendar.readonly", "ya29.a0Ag", "", google, 3599 * time.Second,
		},
		"Entra": {
			jsonType, `{"token_type":"Bearer","scope":"User.Read Mail.Read","expires_in":4042,"ext_expires_in":4042,` +
				`"access_token":"eyJ0eXAi.e30.c2ln","refresh_token":"0.AXEAk","id_token":"eyJ0eXAi.e30.c2ln"}`,
			"openid profile offline_access User.Read Mail.Read", "eyJ0eXAi.e30.c2ln", "0.AXEAk", "User.Read Mail.Read", 4042 * time.Second,
		},
		"Entra, .default": {
			jsonType, `{"token_type":"Bearer","scope":"api://tickets/read api://tickets/write","expires_in":"3599",` +
				`"ext_expires_in":"3599","access_token":"eyJ0eXAi.e30.c2ln"}`,
			"api://tickets/.default offline_access", "eyJ0eXAi.e30.c2ln", "", "api://tickets/read api://tickets/write", 3599 * time.Second,
		},
		"Okta": {
			jsonType, `{"token_type":"Bearer","expires_in":3600,"access_token":"eyJraWQi.e30.c2ln","scope":"offline_access tickets:read",` +
				`"refresh_token":"foundTheToken"}`,
			"tickets:read offline_access", "eyJraWQi.e30.c2ln", "foundTheToken", "offline_access tickets:read", time.Hour,
		},
		"Auth0": {
			jsonType, `{"access_token":"eyJz93a.e30.c2ln","refresh_token":"GEbRxBN","id_token":"eyJ0XAi.e30.c2ln","token_type":"Bearer",` +
				`"expires_in":86400}`,
			"openid read:tickets", "eyJz93a.e30.c2ln", "GEbRxBN", "", 24 * time.Hour,
		},
		"Keycloak": {
			jsonType, `{"access_token":"eyJhbGci.e30.c2ln","expires_in":300,"refresh_expires_in":1800,"refresh_token":"eyJhbGcj.e30.c2ln",` +
				`"token_type":"Bearer","not-before-policy":0,"session_state":"a856-","scope":"email profile"}`,
			"openid email profile", "eyJhbGci.e30.c2ln", "eyJhbGcj.e30.c2ln", "email profile", 5 * time.Minute,
		},
		"Notion": {
			jsonType, `{"access_token":"secret_hR3","token_type":"bearer","bot_id":"b3","workspace_name":"Home","workspace_icon":null,` +
				`"workspace_id":"w1","owner":{"type":"user","user":{"object":"user","id":"u1"}},"duplicated_template_id":null,"refresh_token":null}`,
			"", "secret_hR3", "", "", 0,
		},
		"Salesforce": {
			"application/json;charset=UTF-8", `{"access_token":"00DB0000000TfcR!AQQAQFhoK","refresh_token":"5Aep861","signature":"jmqG=",` +
				`"scope":"refresh_token api","instance_url":"https://home.my.salesforce.com","id":"https://login.salesforce.com/id/00D/005",` +
				`"token_type":"Bearer","issued_at":"1795344000000"}`,
			"api refresh_token", "00DB0000000TfcR!AQQAQFhoK", "5Aep861", "refresh_token api", 0,
		},
		"Slack, bot": {
			jsonType, `{"ok":true,"access_token":"xoxb-17653672481","token_type":"bot","scope":"commands,incoming-webhook","bot_user_id":"U0K",` +
				`"app_id":"A0K","team":{"name":"Home","id":"T9"},"enterprise":null,"authed_user":{"id":"U1","scope":"chat:write",` +
				`"access_token":"xoxp-1234","token_type":"user"}}`,
			"commands incoming-webhook", "xoxb-17653672481", "", "commands incoming-webhook", 0,
		},
		"Slack, person": {
			jsonType, `{"ok":true,"app_id":"A0K","team":{"name":"Home","id":"T9"},"authed_user":{"id":"U1","scope":"chat:write,search:read",` +
				`"access_token":"xoxe.xoxp-1234","token_type":"user","refresh_token":"xoxe-1-My0","expires_in":43200}}`,
			"chat:write search:read", "xoxe.xoxp-1234", "xoxe-1-My0", "chat:write search:read", 12 * time.Hour,
		},
	} {
		t.Run(name, func(t *testing.T) {
			e := newEndpoint(t, 200, test.contentType, test.body)
			a := authorization()
			a.Scope = test.asked
			got, err := spend(t, delegated(e.url), a)
			if err != nil {
				t.Fatal(err)
			}
			if got.AccessToken.Reveal() != test.access || got.RefreshToken.Reveal() != test.refresh ||
				got.Scope != test.scopes || got.ExpiresIn != test.life || got.ExpiresGuessed || got.MissingScopes != "" {
				t.Errorf("%+v, access %q, refresh %q", *got, got.AccessToken.Reveal(), got.RefreshToken.Reveal())
			}
		})
	}
}

func TestErrorsOfProviders(t *testing.T) {
	for name, test := range map[string]struct {
		status            int
		contentType, body string
		want              string
		final             bool
	}{
		"GitHub": {
			200, formType, "error=bad_verification_code&error_description=The+code+passed+is+incorrect+or+expired.&error_uri=%2Fapps",
			"bad_verification_code - The code passed is incorrect or expired.", false,
		},
		"Slack": {200, jsonType, `{"ok":false,"error":"invalid_code"}`, "invalid_code", false},
		"Google": {
			400, jsonType, `{"error":"invalid_grant","error_description":"Bad Request"}`, "invalid_grant - Bad Request", true,
		},
		"Entra": {
			400, jsonType, `{"error":"invalid_grant","error_description":"AADSTS70008: The provided authorization code has expired.",` +
				`"error_codes":[70008],"timestamp":"2026-11-22 10:00:00Z","trace_id":"255d","correlation_id":"fb3d"}`,
			"invalid_grant - AADSTS70008: The provided authorization code has expired.", true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			e := newEndpoint(t, test.status, test.contentType, test.body)
			_, err := spend(t, delegated(e.url), authorization())
			if got := asError(t, err); got.Error() != failed(test.want, test.status) || got.Final != test.final || got.Ambiguous {
				t.Errorf("%v, final %v, ambiguous %v", got, got.Final, got.Ambiguous)
			}
			e.only(t)
		})
	}
}

func TestAudienceForAuth0(t *testing.T) {
	e := newEndpoint(t, 200, jsonType, testAnswer)
	c := delegated(e.url)
	c.Audience = "https://api.example.com"
	c.AdditionalParams = map[string]secrets.Ref{"realm": secrets.LiteralRef("home")}
	if _, err := spend(t, c, authorization()); err != nil {
		t.Fatal(err)
	}
	if r := e.only(t); r.form.Get("audience") != c.Audience || r.form.Get("realm") != "home" {
		t.Errorf("body %s", r.body)
	}
}

func TestScopesThatArePartOfNoProtocolAreMissed(t *testing.T) {
	e := newEndpoint(t, 200, jsonType, `{"access_token":"at","token_type":"Bearer","scope":"openid"}`)
	c := delegated(e.url)
	c.ValidateScopes = false
	a := authorization()
	a.Scope = "openid email offline_access read x.default"
	if got, err := spend(t, c, a); err != nil || got.MissingScopes != "read x.default" {
		t.Errorf("%+v, %v", got, err)
	}
}
