package oauth

import "testing"

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
