package oauth_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"bearerd/engine/oauth"
	"bearerd/secrets"
)

func TestParseChallenge(t *testing.T) {
	const at = "https://mcp.example.com/.well-known/oauth-protected-resource/mcp"
	whole := oauth.Challenge{Bearer: true, Error: "invalid_token", Scope: "read write", ResourceMetadata: at}
	bare := oauth.Challenge{Bearer: true}
	scoped := oauth.Challenge{Bearer: true, Scope: "a"}
	for name, test := range map[string]struct {
		headers []string
		want    oauth.Challenge
	}{
		"none":             {nil, oauth.Challenge{}},
		"empty":            {[]string{""}, oauth.Challenge{}},
		"no parameters":    {[]string{"Bearer"}, bare},
		"all":              {[]string{`Bearer error="invalid_token", scope="read write", resource_metadata="` + at + `"`}, whole},
		"any order":        {[]string{`bEARER resource_metadata="` + at + `",realm="x",scope="read write",error=invalid_token`}, whole},
		"blanks":           {[]string{"\tBearer   ERROR = \"invalid_token\" , ,Scope\t= \"read write\",resource_metadata=\"" + at + "\"  "}, whole},
		"no commas":        {[]string{`Bearer error="invalid_token" scope="read write" resource_metadata="` + at + `"`}, whole},
		"no quotes":        {[]string{`Bearer resource_metadata=` + at + `, scope="read write", error=invalid_token`}, whole},
		"commas in string": {[]string{`Bearer realm="a, scope=\"no\", Basic x", scope="a"`}, scoped},
		"escapes":          {[]string{`Bearer error="a\"b\\c"`}, oauth.Challenge{Bearer: true, Error: `a"b\c`}},
		"first parameter":  {[]string{`Bearer scope="a", scope="b"`}, scoped},
		"first challenge":  {[]string{`Bearer scope="a", Bearer scope="b", error="c"`}, scoped},
		"first header":     {[]string{`Bearer scope="a"`, `Bearer scope="b", error="c"`}, scoped},
		"second header":    {[]string{`Basic realm="x"`, `Bearer scope="a"`}, scoped},
		"after Basic":      {[]string{`Basic realm="x", scope="no", error="no", Bearer scope="a"`}, scoped},
		"before Basic":     {[]string{`Bearer scope="a", Basic realm="x", error="no", resource_metadata="no"`}, scoped},
		"Basic":            {[]string{`Basic scope="a", resource_metadata="` + at + `"`}, oauth.Challenge{}},
		"DPoP":             {[]string{`DPoP algs="ES256", scope="a", error="use_dpop_nonce"`}, oauth.Challenge{}},
		"DPoP and Bearer":  {[]string{`DPoP algs="ES256 PS256", error="no", Bearer scope="a"`}, scoped},
		"token68":          {[]string{`Negotiate YII/+a.b-c_d~e==, Bearer scope="a"`, `Bearer scope="b"`}, scoped},
		"token68 bare":     {[]string{`NTLM Bearer, Bearer scope="a"`}, scoped},
		"schemes alone":    {[]string{`Negotiate, NTLM, Bearer, Basic realm="x"`}, bare},
		"longer scheme":    {[]string{`BearerX scope="a"`}, oauth.Challenge{}},
		"no end of string": {[]string{`Bearer scope="a", error="b, scope="c`}, oauth.Challenge{Bearer: true, Scope: "a", Error: "b, scope="}},
		"cut off":          {[]string{`Bearer scope="a`}, bare},
		"escape at end":    {[]string{`Bearer scope="a\`}, bare},
		"no challenge":     {[]string{`scope="a", error="b"`}, oauth.Challenge{}},
		"junk":             {[]string{`=,;"Bearer scope=no" @ Bearer @ scope="a"`}, scoped},
		"no scope":         {[]string{`Bearer scope="a\"b"`}, bare},
		"no ASCII":         {[]string{"Bearer scope=\"a \xc3\xa9\""}, bare},
		"control byte":     {[]string{"Bearer error=\"b\", scope=\"a\tb\""}, oauth.Challenge{Bearer: true, Error: "b"}},
		"long scope":       {[]string{`Bearer scope="` + strings.Repeat("a ", 512) + `b"`}, bare},
		"large as JSON":    {[]string{`Bearer scope="` + strings.Repeat("&", 171) + `"`}, bare},
		"longest scope":    {[]string{`Bearer scope="` + strings.Repeat("a", 1<<10) + `"`}, oauth.Challenge{Bearer: true, Scope: strings.Repeat("a", 1<<10)}},
		"long value":       {[]string{`Bearer error="` + strings.Repeat("x", 5000) + `", scope="a"`}, scoped},
		"too much":         {[]string{`Basic realm="` + strings.Repeat("x", 70000) + `"`, `Bearer scope="a"`}, oauth.Challenge{}},
	} {
		if got := oauth.ParseChallenge(http.Header{"Www-Authenticate": test.headers}); got != test.want {
			t.Errorf("%s: %q\n got %+v\nwant %+v", name, test.headers, got, test.want)
		}
	}
}

// What a server repeats of a secret must not be kept, shown or asked for.
func TestChallengeWithoutSecrets(t *testing.T) {
	const token, key = "canary-token/1", "canary key"
	held := []secrets.Secret{secrets.New(token), secrets.New(key), secrets.New("abc"), {}}
	for scope, want := range map[string]string{
		"read write":                            "read write",
		"read admin:" + token + " b":            "read b",
		"read " + url.QueryEscape(token) + " b": "read b",
		"canary%252Dtoken%252F1 b":              "b",
		"x-canary y":                            "y", // a word of one that has a blank
		"abcdef":                                "abcdef",
		strings.Repeat("a", 256) + " b":         strings.Repeat("a", 256) + " b",
		strings.Repeat("a", 257) + " b":         "b",
		"canary-token/1:known b":                "canary-token/1:known b",
		"a\\b caf\u00e9 d":                      "d",
	} {
		c := oauth.Challenge{Bearer: true, Scope: scope, Status: 401}.Without(held, "x canary-token/1:known")
		if c != (oauth.Challenge{Bearer: true, Scope: want, Status: 401}) {
			t.Errorf("%q gives %+v", scope, c)
		}
	}
	c := oauth.Challenge{Error: token, ResourceMetadata: "https://x.example/" + url.PathEscape(token)}.Without(held, "")
	if c != (oauth.Challenge{}) {
		t.Errorf("%+v", c)
	}
	c = oauth.Challenge{Error: "insufficient_scope", ResourceMetadata: "https://x.example/"}
	if got := c.Without(held, ""); got != c {
		t.Errorf("%+v", got)
	}
}

func FuzzParseChallenge(f *testing.F) {
	for _, seed := range []string{
		`Bearer error="invalid_token", scope="a b"`, `Basic realm="x", Bearer scope=a`, `Negotiate abc==, Bearer a="\"`, `,,=="`, "Bearer\t=",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, header string) {
		c := oauth.ParseChallenge(http.Header{"Www-Authenticate": {header}})
		if !c.Bearer && c != (oauth.Challenge{}) {
			t.Errorf("%q: parameters without a Bearer challenge: %+v", header, c)
		}
		if c.Bearer && !strings.Contains(strings.ToLower(header), "bearer") {
			t.Errorf("%q: a Bearer challenge out of nothing", header)
		}
		if len(c.Error)+len(c.Scope)+len(c.ResourceMetadata) > len(header) {
			t.Errorf("%q: values longer than the header: %+v", header, c)
		}
	})
}
