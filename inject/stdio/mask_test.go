//go:build unix

package stdio

import (
	"encoding/base64"
	"encoding/json"
	"net/url"
	"strings"
	"testing"

	"bearerd/secrets"
)

const odd = "p+q/r=s%20 \"<ü\U0001F511\\e>" // every kind of escape

func launchWith(t testing.TB, value string) *Launch {
	t.Helper()
	s := server("srv")
	s.Env = map[string]secrets.Ref{
		"KEY": {Kind: secrets.Env, Name: "KEY"}, "PLAIN": secrets.LiteralRef("a literal"), "SHORT": {Kind: secrets.File, Name: "/f"},
		"PEM": {Kind: secrets.File, Name: "/pem"},
	}
	l, err := ByEnv(s, secrets.New(value), vars("KEY", odd, "PLAIN", "a literal", "SHORT", "7 bytes",
		"PEM", "-----BEGIN KEY-----\nMC4CAQAwBQYDK2VwBCIEI\n-----END KEY-----\n"), nil)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestMask(t *testing.T) {
	l := launchWith(t, canary)
	quoted, _ := json.Marshal(odd)
	for line, want := range map[string]string{
		"nothing here":                             "nothing here",
		"a " + canary + " b":                       "a [masked] b",
		canary + canary:                            "[masked]",
		canary + "." + canary:                      "[masked].[masked]",
		"AUTHORIZATION=Bearer " + canary:           "AUTHORIZATION=Bearer [masked]",
		odd:                                        "[masked]",
		"k=" + url.QueryEscape(odd) + "&x=1":       "k=[masked]&x=1",
		"/" + url.PathEscape(odd) + "/":            "/[masked]/",
		strings.ToLower(url.PathEscape(odd)):       "[masked]",
		"{\"k\":" + string(quoted) + "}":           "{\"k\":\"[masked]\"}",
		"\\ud83d\\u0020\\u12":                      "\\ud83d\\u0020\\u12",
		"100% + 5%2":                               "100% + 5%2",
		"a literal, 7 bytes":                       "a literal, 7 bytes",
		"MC4CAQAwBQYDK2VwBCIEI":                    "[masked]",
		"%74ok-canary-7f3%61":                      "[masked]",
		canary[:len(canary)-1]:                     canary[:len(canary)-1],
		"\\u0074ok-canary-7f3a and " + canary:      "[masked] and [masked]",
		"tok-\ufe0fcanary-\u03017f\u20dd3a\u0301.": "[masked].",
		"e\u0301t\u0301":                           "e\u0301t\u0301",
	} {
		if got := string(l.Mask([]byte(line))); got != want {
			t.Errorf("%q: got %q, want %q", line, got, want)
		}
	}
}

// Whatever stands before the secret and behind it, no more than one character of it is left at either end.
func TestMaskOfBase64(t *testing.T) {
	for _, value := range []string{canary, canary + "?", canary + ">>", strings.Repeat("\u00ff?>", 9)} {
		l := launchWith(t, value)
		for _, encoding := range []*base64.Encoding{
			base64.StdEncoding, base64.URLEncoding, base64.RawStdEncoding, base64.RawURLEncoding,
		} {
			for _, around := range []struct{ before, after string }{
				{"", ""}, {"a", ""}, {"ab", ""}, {"abc", "d"}, {"Bearer ", ""}, {"user:", ""}, {"", "\n"}, {"x", "yz"},
			} {
				text := encoding.EncodeToString([]byte(around.before + value + around.after))
				got := string(l.Mask([]byte(text)))
				if !strings.Contains(got, masked) {
					t.Errorf("%q stays as it is", text)
				}
				rest := strings.Replace(got, masked, "", 1)
				if allowed := (len(around.before)+len(around.after))*4/3 + 6; len(rest) > allowed {
					t.Errorf("%q became %q: %d characters are left, more than %d", text, got, len(rest), allowed)
				}
			}
		}
	}
}

func TestMaskLeavesTheLineAlone(t *testing.T) {
	line := []byte("a " + canary + " b")
	l := launchWith(t, canary)
	l.Mask(line)
	if string(line) != "a "+canary+" b" {
		t.Errorf("the line has become %q", line)
	}
	if got := (&Launch{}).Mask(line); string(got) != string(line) {
		t.Errorf("without secrets: %q", got)
	}
}

// A secret may lie across any border: of what is shown, and of what is kept.
func TestNoPartOfASecretIsShownAtABorder(t *testing.T) {
	l := launchWith(t, canary)
	e := newStderr(nil, "search", l, nil)
	escaped := strings.ReplaceAll(url.QueryEscape(canary), "-", "%2D")
	for _, secret := range []string{canary, escaped, strings.Join(strings.Split(canary, ""), "\x1b[0m")} {
		for _, border := range []int{lineMax, e.window} {
			for at := border - len(secret) - 2; at < border+3; at++ {
				for name, filler := range map[string]string{"text": "x", "escapes": "\x1b[1m"} {
					line := strings.Repeat(filler, at/len(filler)) + strings.Repeat("y", at%len(filler)) + secret + strings.Repeat("z", 99)
					kept := min(len(line), e.window)
					got := string(e.clean([]byte(line[:kept]), len(line)-kept))
					if strings.Contains(got, canary[:3]) || strings.Contains(got, "%2D") {
						t.Fatalf("%s, at %d of %d: …%q", name, at, border, got[max(0, len(got)-80):])
					}
				}
			}
		}
	}
}
