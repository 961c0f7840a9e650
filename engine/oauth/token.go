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

	"golang.org/x/oauth2"

	"bearerd/config"
	"bearerd/secrets"
)

// Sizes in bytes as JSON.
const (
	maxAccess  = 32 << 10
	maxRefresh = 8 << 10
	maxScope   = 4 << 10
)

// MaxKept is the size as JSON, in bytes and without the names of members, of the largest Token, Metadata and Registration
// together, with the issuer three times more. What else a record of the engine holds has the rest of secrets.MaxValue.
const MaxKept = maxAccess + maxRefresh + maxScope + maxMetadata + 3*maxKeptURL + maxRegistered

const (
	maxLifetime     = float64(10 << 28) // seconds: some 85 years, well inside a time.Duration
	guessedLifetime = 5 * time.Minute   // where expires_in cannot be read
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

// unnest gives the token of a person, which Slack nests, where there is no other.
func (a answer) unnest() answer {
	user, _ := a["authed_user"].(map[string]any)
	if a.text("access_token") == "" && answer(user).text("access_token") != "" {
		return user
	}
	return a
}

// bearerTypes are token types by which providers mean Bearer: Slack says whom the token acts for.
var bearerTypes = []string{"", "bearer", "bot", "user"}

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
	seconds, guessed := a.expiresIn()
	if seconds < 0 {
		return nil, errors.New("the answer holds a token that has already expired (expires_in is negative)")
	}
	clean["expires_in"], clean["expires_guessed"] = seconds, guessed
	return json.Marshal(clean)
}

// expiresIn is in seconds, from a number or a string (PayPal, Azure): 0 for absent, null and 0, -1 for any negative. A
// value that cannot be read gives a guess, as a token without an expiry would be served for ever.
func (a answer) expiresIn() (seconds int64, guessed bool) {
	value := a["expires_in"]
	if value == nil {
		return 0, false
	}
	n, err := strconv.ParseFloat(strings.TrimSpace(fmt.Sprint(value)), 64)
	tooLarge := errors.Is(err, strconv.ErrRange)
	switch {
	case err != nil && !tooLarge, math.IsNaN(n), math.IsInf(n, 0) && !tooLarge:
		return int64(guessedLifetime / time.Second), true
	case n < 0:
		return -1, false
	case n == 0:
		return 0, false
	}
	return int64(max(min(n, maxLifetime), 1)), false
}

// token checks what x/oauth2 does not.
func (w *wire) token(t *oauth2.Token, c *config.OAuth, requested time.Time) (*Token, error) {
	refresh, _ := t.Extra("refresh_token").(string) // the field of t holds the one that was sent where none came
	fail := func(err error) (*Token, error) { return nil, w.useless(200, refresh, err) }
	if !slices.Contains(bearerTypes, strings.ToLower(t.TokenType)) {
		return fail(fmt.Errorf("token_type %s is not supported", w.clean(t.TokenType)))
	}
	scope, given := t.Extra("scope").(string)
	if err := checkSizes(t.AccessToken, refresh, scope); err != nil {
		return fail(err)
	}
	if !Deliverable(t.AccessToken) {
		return fail(errors.New("the access_token holds characters that no HTTP header may carry"))
	}
	seconds, _ := t.Extra("expires_in").(float64)
	guessed, _ := t.Extra("expires_guessed").(bool)
	granted := &Token{
		AccessToken:    secrets.New(t.AccessToken),
		RefreshToken:   secrets.New(refresh),
		Scope:          w.knownScopes(scope, c.Scope),
		ScopeGiven:     given,
		ExpiresIn:      time.Duration(seconds) * time.Second,
		ExpiresGuessed: guessed,
		Requested:      requested,
		CorrelationID:  w.id,
	}
	if err := w.checkScopes(granted, c); err != nil {
		return nil, err
	}
	return granted, nil
}

// useless is the error for a success that gives no token. What it did to a refresh token is known only if it brought a
// new one.
func (w *wire) useless(status int, refresh string, err error) *Error {
	e := &Error{Op: w.op, Status: status, CorrelationID: w.id, Err: err}
	if jsonSize(refresh) <= maxRefresh {
		e.Rotated = secrets.New(refresh)
	}
	e.Ambiguous = e.Rotated.IsZero()
	return e
}

func checkSizes(access, refresh, scope string) error {
	for _, member := range []struct {
		name, value string
		limit       int
	}{
		{"access_token", access, maxAccess},
		{"refresh_token", refresh, maxRefresh},
		{"scope", scope, maxScope},
	} {
		if jsonSize(member.value) > member.limit {
			return fmt.Errorf("the %s is over %d KiB", member.name, member.limit>>10)
		}
	}
	return nil
}

func jsonSize(s string) int {
	b, _ := json.Marshal(s) // a string cannot fail
	return len(b) - len(`""`)
}

// Deliverable reports whether an access token can be written into an HTTP header as it is, on one line and without white space
// (RFC 6750 §2.1).
func Deliverable(token string) bool {
	return !strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' })
}
