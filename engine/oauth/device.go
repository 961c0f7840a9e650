package oauth

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/url"
	"strconv"
	"strings"
	"time"

	"bearerd/secrets"
)

const (
	maxUserCode     = 64 // characters
	defaultInterval = 5 * time.Second
	maxInterval     = 5 * time.Minute
)

// Device is a device authorization (RFC 8628 §3.2).
type Device struct {
	Code        secrets.Secret
	UserCode    string // for a person to type: printable ASCII
	URL         string // where to type it: https, or http where the configuration takes it
	CompleteURL string // the same with the code in it; "": none
	ExpiresIn   time.Duration
	Interval    time.Duration // between two requests
}

// AuthorizeDevice begins a device authorization at t.DeviceURL (RFC 8628 §3.1). An error is an *Error.
func AuthorizeDevice(ctx context.Context, log *slog.Logger, t *Target, r *secrets.Resolver, id string) (*Device, error) {
	w, err := newWire(ctx, log, t, r, opDevice, id)
	if err != nil {
		return nil, unsent(opDevice, id, err)
	}
	form, err := w.deviceRequest(ctx, t, r)
	if err != nil {
		return nil, unsent(opDevice, id, err)
	}
	reply, err := w.post(ctx, t.DeviceURL, "OAUTH_DEVICE_AUTHORIZATION_URL", formType, []byte(form.Encode()))
	if err != nil {
		return nil, err
	}
	a, _ := parseAnswer(reply) // judge has
	d, err := a.device(plainHTTP(t.OAuth))
	if err != nil {
		return nil, w.useless(200, "", err)
	}
	return d, nil
}

// deviceRequest has the parameters of an authorization request, sent as a token request is.
func (w *wire) deviceRequest(ctx context.Context, t *Target, r *secrets.Resolver) (url.Values, error) {
	form := url.Values{}
	more, err := t.authorizationParams(ctx, r)
	if err != nil {
		return nil, err
	}
	for name := range more {
		w.hide(more.Get(name))
	}
	maps.Copy(form, more)
	t.setAudience(form)
	if t.Scope != "" {
		form.Set("scope", t.Scope)
	}
	return form, w.authenticate(ctx, t, r, form)
}

func (a answer) device(plain bool) (*Device, error) {
	seconds, guessed := a.expiresIn()
	d := &Device{
		Code: secrets.New(a.text("device_code")), UserCode: a.text("user_code"),
		URL: a.text("verification_uri"), CompleteURL: a.text("verification_uri_complete"),
		ExpiresIn: time.Duration(seconds) * time.Second, Interval: a.interval(),
	}
	if d.URL == "" {
		d.URL = a.text("verification_url") // Google
	}
	page, pageOK := webURL(d.URL)
	complete, completeOK := webURL(d.CompleteURL)
	switch {
	case d.Code.IsZero() || len(d.Code.Reveal()) > maxCode:
		return nil, fmt.Errorf("the answer holds no device_code, or one of over %d KiB", maxCode>>10)
	case d.UserCode == "" || len(d.UserCode) > maxUserCode || strings.ContainsFunc(d.UserCode, unprintable):
		return nil, fmt.Errorf("the answer holds no user_code of at most %d printable characters", maxUserCode)
	case !pageOK:
		return nil, errors.New("the answer's verification_uri is no http or https address that a person may be sent to")
	case d.CompleteURL != "" && !completeOK:
		return nil, errors.New("the answer's verification_uri_complete is no http or https address that a person may be sent to")
	case !plain && (page.Scheme == "http" || d.CompleteURL != "" && complete.Scheme == "http"):
		return nil, errors.New("the answer's verification_uri is plain http, and https is required: mend it at the provider, or " + allowHTTP)
	case seconds <= 0 || guessed:
		return nil, errors.New("the answer does not say how long the codes live (expires_in)")
	}
	return d, nil
}

// interval is how long to wait between two requests (RFC 8628 §3.2).
func (a answer) interval() time.Duration {
	seconds, err := strconv.ParseFloat(fmt.Sprint(a["interval"]), 64)
	if err != nil || !(seconds > 0) {
		return defaultInterval
	}
	return time.Duration(min(seconds, maxInterval.Seconds()) * float64(time.Second))
}

// DeviceToken asks once whether the person has approved (RFC 8628 §3.4). Until then the *Error has the code
// authorization_pending or slow_down; access_denied and expired_token are final (§3.5).
func DeviceToken(
	ctx context.Context, log *slog.Logger, t *Target, r *secrets.Resolver, code secrets.Secret, id string,
) (*Token, error) {
	params := url.Values{"grant_type": {deviceGrant}, "device_code": {code.Reveal()}}
	token, err := requestToken(ctx, log, t, r, id, params, nil)
	if e, ok := errors.AsType[*Error](err); ok && (e.Code == "access_denied" || e.Code == "expired_token") {
		e.Final = true
	}
	return token, err
}
