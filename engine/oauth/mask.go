package oauth

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"html"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"bearerd/secrets"
)

const (
	maxText = 200    // characters of a server's text in an error
	masked  = "\x00" // stands for a hidden value until the text is cleaned: no configured secret holds it
	rounds  = 3      // escapes inside escapes that are looked through
)

// hide keeps a value out of error texts and scopes, in case the server echoes it, as it is, in one of the escapes that are
// common in pages and forms, or encoded. Values under four bytes would only garble.
func (w *wire) hide(value string) {
	if len(value) < 4 {
		return
	}
	quoted, _ := json.Marshal(value) // a string cannot fail
	w.hidden = append(w.hidden, value, url.QueryEscape(value), url.PathEscape(value), html.EscapeString(value),
		string(quoted[1:len(quoted)-1]))
	w.hidden = append(w.hidden, encoded(value)...)
	slices.SortFunc(w.hidden, func(a, b string) int { return len(b) - len(a) }) // a value may hold another
}

// encoded is a value as programs write bytes. A short one is passed over, as its codes are words.
func encoded(value string) []string {
	if len(value) < 8 {
		return nil
	}
	b, digits := []byte(value), hex.EncodeToString([]byte(value))
	return []string{
		base64.StdEncoding.EncodeToString(b), base64.RawStdEncoding.EncodeToString(b), base64.URLEncoding.EncodeToString(b),
		base64.RawURLEncoding.EncodeToString(b), digits, strings.ToUpper(digits),
	}
}

// clean makes a server's text fit for an error: hidden values masked, printable ASCII only, 200 characters at most. A text
// that holds one in an escape other than those of hide is masked whole.
func (w *wire) clean(text string) string {
	for _, value := range w.hidden {
		text = strings.ReplaceAll(text, value, masked)
	}
	if echoes(text, w.hidden) {
		return "[secret]"
	}
	text = strings.Map(func(r rune) rune {
		if (r < ' ' || r > '~') && string(r) != masked {
			return '?'
		}
		return r
	}, text)
	text = strings.ReplaceAll(text, masked, "[secret]")
	return text[:min(len(text), maxText)]
}

// Clean makes the text of another side fit to be shown: at most 200 printable ASCII characters, with none of the hidden values
// in it, escaped or not.
func Clean(text string, hidden ...secrets.Secret) string {
	w := &wire{}
	for _, value := range hidden {
		w.hide(value.Reveal())
	}
	return w.clean(text)
}

// echoes reports whether a text holds one of the values, plain or escaped.
func echoes(text string, values []string) bool {
	for range rounds {
		spaced := strings.ReplaceAll(text, "+", " ") // as forms write a space
		if slices.ContainsFunc(values, func(value string) bool {
			return strings.Contains(text, value) || strings.Contains(spaced, value)
		}) {
			return true
		}
		text = escapes.ReplaceAllStringFunc(html.UnescapeString(text), unescape)
	}
	return false
}

// escapes are those of URLs and of JSON.
var escapes = regexp.MustCompile(`%[0-9A-Fa-f]{2}|\\u[0-9A-Fa-f]{4}|\\["\\/]`)

func unescape(escape string) string {
	switch {
	case escape[0] == '%':
		n, _ := strconv.ParseUint(escape[1:], 16, 8) // the pattern lets only digits in
		return string([]byte{byte(n)})
	case escape[1] == 'u':
		n, _ := strconv.ParseUint(escape[2:], 16, 16)
		return string(rune(n))
	}
	return escape[1:]
}
