package oauth_test

import (
	"encoding/base64"
	"testing"

	"bearerd/config"
	"bearerd/engine/oauth"
	"bearerd/secrets"
)

func TestMethodOfAClient(t *testing.T) {
	secret, key := secrets.LiteralRef("s"), fileRef("/key.pem")
	yes, no := new(true), new(false)
	lists := func(methods ...string) *oauth.Metadata { return &oauth.Metadata{AuthMethods: methods} }
	const none, basic, post = oauth.MethodNone, oauth.MethodBasic, oauth.MethodPost
	const jwt, cert = oauth.MethodPrivateKeyJWT, oauth.MethodTLS
	for name, test := range map[string]struct {
		m          *oauth.Metadata
		o          config.OAuth
		registered string
		want       string
	}{
		"nothing discovered, secret":        {nil, config.OAuth{ClientID: "c", ClientSecret: secret}, "", basic},
		"nothing discovered, post written":  {nil, config.OAuth{ClientID: "c", ClientSecret: secret, UseBasicAuth: no}, "", post},
		"nothing discovered, public":        {nil, config.OAuth{ClientID: "c"}, "", none},
		"nothing discovered, certificate":   {nil, config.OAuth{ClientID: "c", UseMTLS: true}, "", cert},
		"nothing discovered, key":           {nil, config.OAuth{ClientID: "c", PrivateKeyPath: key}, "", jwt},
		"key before all":                    {lists(basic), config.OAuth{ClientID: "c", ClientSecret: secret, PrivateKeyPath: key, UseBasicAuth: yes}, basic, jwt},
		"empty list":                        {lists(), config.OAuth{ClientID: "c", ClientSecret: secret}, "", basic},
		"both listed":                       {lists(post, basic), config.OAuth{ClientID: "c", ClientSecret: secret}, "", basic},
		"post listed":                       {lists(none, post), config.OAuth{ClientID: "c", ClientSecret: secret}, "", post},
		"basic written, post listed":        {lists(post), config.OAuth{ClientID: "c", ClientSecret: secret, UseBasicAuth: yes}, "", basic},
		"secret and certificate":            {lists(basic, cert), config.OAuth{ClientID: "c", ClientSecret: secret, UseMTLS: true}, "", basic},
		"certificate":                       {lists(basic), config.OAuth{ClientID: "c", UseMTLS: true}, "", cert},
		"public, written":                   {lists(basic), config.OAuth{ClientID: "c", UseBasicAuth: yes}, "", none},
		"registered public":                 {lists(basic), config.OAuth{ClientID: "c"}, none, none},
		"registered public, basic written":  {lists(basic), config.OAuth{ClientID: "c", UseBasicAuth: yes}, none, none},
		"registered post, basic listed":     {lists(basic), config.OAuth{ClientID: "c", ClientSecret: secret}, post, post},
		"registered basic, post written":    {lists(basic), config.OAuth{ClientID: "c", ClientSecret: secret, UseBasicAuth: no}, basic, post},
		"registered with a certificate":     {lists(), config.OAuth{ClientID: "c", UseMTLS: true}, cert, cert},
		"to register, nothing discovered":   {nil, config.OAuth{}, "", none},
		"to register, no list":              {lists(), config.OAuth{}, "", none},
		"to register, none listed":          {lists(basic, none), config.OAuth{}, "", none},
		"to register, none listed, written": {lists(basic, none), config.OAuth{UseBasicAuth: yes}, "", none},
		"to register, post alone":           {lists(post), config.OAuth{}, "", post},
		"to register, secret ones":          {lists(post, basic), config.OAuth{}, "", basic},
		"to register, post written":         {lists(post, basic), config.OAuth{UseBasicAuth: no}, "", post},
		"to register with a certificate":    {lists(cert, none), config.OAuth{UseMTLS: true}, "", none},
	} {
		got, _, err := test.m.Method(&test.o, test.registered)
		if got != test.want || err != nil {
			t.Errorf("%s: %q, %v, want %q", name, got, err, test.want)
		}
	}
}

func TestMethodThatCannotBe(t *testing.T) {
	m := &oauth.Metadata{AuthMethods: []string{"private_key_jwt", "tls_client_auth\x1b"}}
	unsupported := "the server accepts private_key_jwt, tls_client_auth?, none of which a client secret will do for: " +
		"set OAUTH_PRIVATE_KEY_PATH for private_key_jwt, OAUTH_USE_MTLS for tls_client_auth"
	for _, test := range []struct {
		o                config.OAuth
		registered, want string
	}{
		{config.OAuth{ClientID: "c", ClientSecret: secrets.LiteralRef("s")}, "", unsupported},
		{config.OAuth{}, "", unsupported},
		{config.OAuth{ClientID: "c"}, "private_key_jwt", "the client is registered for private_key_jwt: set OAUTH_PRIVATE_KEY_PATH"},
		{config.OAuth{ClientID: "c"}, "tls_client_auth", "the client is registered for tls_client_auth: set OAUTH_USE_MTLS and its certificate"},
		{config.OAuth{ClientID: "c"}, "client_secret_jwt", "the client is registered for client_secret_jwt, which is not supported"},
	} {
		_, _, err := m.Method(&test.o, test.registered)
		if e := asError(t, err); e.Error() != "OAuth token request not sent: "+test.want || !e.Final {
			t.Errorf("error\n got %v\nwant %s", e, test.want)
		}
	}
}

func TestMethodOnTheWire(t *testing.T) {
	pair := "Basic " + base64.StdEncoding.EncodeToString([]byte("client-123:s"))
	secret := secrets.LiteralRef("s")
	for _, test := range []struct {
		method         string
		secret         secrets.Ref
		header, id, in string // Authorization, client_id, client_secret
	}{
		{oauth.MethodNone, secret, "", "client-123", ""},
		{oauth.MethodTLS, secret, "", "client-123", ""},
		{oauth.MethodBasic, secret, pair, "", ""},
		{oauth.MethodPost, secret, "", "client-123", "s"},
		{"", secret, pair, "", ""},
		{oauth.MethodBasic, secrets.Ref{}, "", "client-123", ""},
	} {
		e := newEndpoint(t, 200, jsonType, testAnswer)
		c := delegated(e.url)
		c.ClientSecret = test.secret
		to := target(c)
		to.Method = test.method
		if _, err := oauth.Exchange(t.Context(), discard, to, nothing, testCode, authorization(), testID); err != nil {
			t.Fatal(err)
		}
		r := e.only(t)
		if r.header.Get("Authorization") != test.header || r.form.Get("client_id") != test.id || r.form.Get("client_secret") != test.in {
			t.Errorf("%s: %q, %s", test.method, r.header.Get("Authorization"), r.body)
		}
	}
}
