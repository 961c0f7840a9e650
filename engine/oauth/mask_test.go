package oauth

import (
	"net/url"
	"strings"
	"testing"
)

func TestHiddenValueThatHoldsAnother(t *testing.T) {
	w := &wire{}
	w.hide("abcd")
	w.hide("abcdefgh")
	if got := w.clean("abcdefgh abcd"); got != "[secret] [secret]" {
		t.Errorf("%q", got)
	}
}

func TestHiddenValueThatTheMaskHolds(t *testing.T) {
	w := &wire{}
	w.hide("secret")
	w.hide("a-secret-value")
	if got := w.clean("a-secret-value is secret"); got != "[secret] is [secret]" {
		t.Errorf("%q", got)
	}
}

func TestEscapedEchoIsMasked(t *testing.T) {
	for _, test := range []struct{ secret, text, want string }{
		{"S3CRET&<canary>xyz", "no S3CRET&amp;&lt;canary&gt;xyz here", "no [secret] here"},
		{"S3CRET&<canary>xyz", "no S3CRET%26%3Ccanary%3Exyz here", "no [secret] here"},
		{"S3CRET&<canary>xyz", `no S3CRET\u0026\u003ccanary\u003exyz here`, "no [secret] here"},
		{"S3CRET canary", "no S3CRET%20canary here", "no [secret] here"},
		{"S3CRET canary", "no S3CRET+canary here", "no [secret] here"},
		{"S3CRET&<canary>xyz", "no S3CRET&#38;&#x3c;canary&gt;xyz here", "[secret]"},
		{"S3CRET&<canary>xyz", "no S3CRET%26%3ccanary%3exyz here", "[secret]"},
		{"S3CRET&<canary>xyz", "no S3CRET%26amp%3B%26lt%3Bcanary%26gt%3Bxyz here", "[secret]"},
		{"S3CRET&<canary>xyz", `no S3CRET\u0026\u003Ccanary\u003Exyz here`, "[secret]"},
		{"S3CRET&<canary>xyz", "no S3CRET%2526%253ccanary%253exyz here", "[secret]"},
		{"S3CRET/canary+\"", `no S3CRET\/canary+\" here`, "[secret]"},
		{"S3CRET/canary x", "no S3CRET%2fcanary+x here", "[secret]"},
		{"S3CRET/canary", "100% sure: a \\u and %zz, &amp; no echo", "100% sure: a \\u and %zz, &amp; no echo"},
	} {
		w := &wire{}
		w.hide(test.secret)
		if got := w.clean(test.text); got != test.want {
			t.Errorf("%s: %q, want %q", test.text, got, test.want)
		}
	}
}

func TestEncodedEchoIsMasked(t *testing.T) {
	const secret = "S3CRET??>canaryx" // its two alphabets of base64 differ, and it is padded
	for _, code := range []string{
		"UzNDUkVUPz8+Y2FuYXJ5eA==", "UzNDUkVUPz8+Y2FuYXJ5eA", "UzNDUkVUPz8-Y2FuYXJ5eA==", "UzNDUkVUPz8-Y2FuYXJ5eA",
		"5333435245543f3f3e63616e61727978", "5333435245543F3F3E63616E61727978",
	} {
		w := &wire{}
		w.hide(secret)
		if got := w.clean("no " + code + " here"); got != "no [secret] here" {
			t.Errorf("%s: %q", code, got)
		}
		if got := w.clean("no " + url.QueryEscape(url.QueryEscape("+"+code)) + " here"); strings.Contains(got, code[:6]) {
			t.Errorf("%s, escaped: %q", code, got)
		}
	}
	w := &wire{}
	w.hide("seven77")
	if text := "c2V2ZW43Nw== is no echo"; w.clean(text) != text {
		t.Errorf("a short value: %q", w.clean(text))
	}
}
