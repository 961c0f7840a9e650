package oauth

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"golang.org/x/oauth2"

	"bearerd/config"
	"bearerd/secrets"
)

const (
	maxToken    = 64 << 10          // bytes
	maxLifetime = float64(10 << 28) // seconds: some 85 years, well inside a time.Duration
)

// answer holds the members of a token endpoint's answer: strings, json.Number and whatever else JSON has.
type answer map[string]any

// parseAnswer looks at the body alone: servers label JSON as text/plain, and forms as anything.
func parseAnswer(body []byte) (answer, bool) {
	body = bytes.TrimSpace(body)
	if bytes.HasPrefix(body, []byte("{")) {
		var a answer
		d := json.NewDecoder(bytes.NewReader(body))
		d.UseNumber()
		if d.Decode(&a) != nil {
			return nil, false
		}
		_, err := d.Token() // nothing may follow
		return a, err == io.EOF
	}
	form, err := url.ParseQuery(string(body))
	if err != nil || !form.Has("access_token") && !form.Has("error") {
		return nil, false
	}
	a := answer{}
	for name := range form {
		a[name] = form.Get(name)
	}
	return a, true
}

// text is "" for a member that is absent or no string.
func (a answer) text(name string) string {
	s, _ := a[name].(string)
	return s
}

// normalise writes the members that we use as the JSON that x/oauth2 reads. Left alone it takes text/plain for a form,
// and refuses an answer whose expires_in is a fraction or very large.
func (a answer) normalise() ([]byte, error) {
	clean := map[string]any{}
	for _, name := range []string{"access_token", "token_type", "refresh_token"} {
		clean[name] = a.text(name)
	}
	if clean["access_token"] == "" {
		return nil, errors.New("the answer holds no access_token")
	}
	if s, ok := a.scope(); ok {
		clean["scope"] = s
	}
	seconds := a.expiresIn()
	if seconds < 0 {
		return nil, errors.New("the answer holds a token that has already expired (expires_in is negative)")
	}
	clean["expires_in"] = seconds
	return json.Marshal(clean)
}

// scope accepts commas between scopes (GitHub) and a list.
func (a answer) scope() (string, bool) {
	text := a.text("scope")
	_, ok := a["scope"].(string)
	if list, isList := a["scope"].([]any); isList {
		ok = true
		for _, item := range list {
			s, _ := item.(string)
			text += " " + s
		}
	}
	parts := strings.FieldsFunc(text, func(r rune) bool { return r == ',' || unicode.IsSpace(r) })
	return strings.Join(parts, " "), ok
}

// expiresIn is in seconds: a number or a string (PayPal, Azure); 0 when it is absent, 0 or no number.
func (a answer) expiresIn() int64 {
	s := fmt.Sprint(a["expires_in"])
	n, err := strconv.ParseFloat(strings.TrimSpace(s), 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) || math.IsNaN(n) {
		return 0
	}
	return int64(max(min(n, maxLifetime), -1)) // a lifetime below one second counts as 0
}

// token checks what x/oauth2 does not.
func (w *wire) token(t *oauth2.Token, c *config.OAuth, requested time.Time) (*Token, error) {
	fail := func(err error) (*Token, error) {
		return nil, &Error{Op: w.op, Status: 200, CorrelationID: w.id, Err: err}
	}
	if t.TokenType != "" && !strings.EqualFold(t.TokenType, "Bearer") {
		return fail(fmt.Errorf("token_type %s is not supported", w.clean(t.TokenType)))
	}
	if len(t.AccessToken) > maxToken || len(t.RefreshToken) > maxToken {
		return fail(errors.New("the token is over 64 KiB"))
	}
	if strings.ContainsFunc(t.AccessToken, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return fail(errors.New("the access_token holds characters that no HTTP header may carry"))
	}
	seconds, _ := t.Extra("expires_in").(float64)
	granted := &Token{
		AccessToken:   secrets.New(t.AccessToken),
		RefreshToken:  secrets.New(t.RefreshToken),
		ExpiresIn:     time.Duration(seconds) * time.Second,
		Requested:     requested,
		CorrelationID: w.id,
	}
	granted.Scope, granted.ScopeGiven = t.Extra("scope").(string)
	if err := w.checkScopes(granted, c); err != nil {
		return nil, err
	}
	return granted, nil
}

// checkScopes fails the acquisition, or notes the missing scopes. No scope in the answer means as requested
// (RFC 6749 §5.1).
func (w *wire) checkScopes(t *Token, c *config.OAuth) error {
	if !t.ScopeGiven {
		return nil
	}
	requested := strings.Fields(c.Scope)
	received := strings.Fields(t.Scope)
	missing := slices.DeleteFunc(slices.Clone(requested), func(s string) bool { return slices.Contains(received, s) })
	if len(missing) == 0 {
		return nil
	}
	if !c.ValidateScopes {
		t.MissingScopes = strings.Join(missing, " ")
		return nil
	}
	cause := &ScopeError{Requested: strings.Join(requested, " "), Received: w.clean(t.Scope)}
	return &Error{Op: w.op, Status: 200, CorrelationID: w.id, Final: true, Err: cause}
}
