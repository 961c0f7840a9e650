package main

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"bearerd/cmd/internal/admin"
	browse "bearerd/cmd/internal/login"
)

// byCallback signs in where the daemon itself takes the answer, at its own callback.
func (s *signIn) byCallback(ctx context.Context) error {
	var flow struct {
		URL     string    `json:"authorize_url"`
		Status  string    `json:"status_url"`
		Expires time.Time `json:"expires_at"`
	}
	err := browse.Ask(ctx, s.name, s.said, func(ctx context.Context) error {
		return s.call(ctx, http.MethodPost, "/api/mcp/client/"+url.PathEscape(s.name)+"/reauthorize", nil, &flow)
	})
	if err != nil {
		return err
	}
	if s.open == nil || s.open(ctx, flow.URL) != nil {
		_, _ = fmt.Fprintf(s.said, "To sign in for %s, open this address in a browser:\n%s\n", s.name, flow.URL)
	} else {
		_, _ = fmt.Fprintf(s.said, "Opening the browser to sign in for %s … (--no-browser prints the address)\n", s.name)
	}
	err = browse.Wait(ctx, s.name, s.said, flow.Expires, func(ctx context.Context) error { return s.answered(ctx, flow.Status) })
	if err != nil && ctx.Err() != nil {
		s.giveUp(ctx)
		return fmt.Errorf("the sign-in of %s was given up: %w", s.name, context.Cause(ctx))
	}
	return err
}

// answered waits until the person has answered at the provider.
func (s *signIn) answered(ctx context.Context, statusURL string) error {
	for {
		var now admin.OAuthStatus
		if err := s.call(ctx, http.MethodGet, statusURL, nil, &now); err != nil {
			return err
		}
		switch now.Status {
		case "pending":
		case "authorized":
			return s.describe(ctx)
		default:
			return fmt.Errorf("the sign-in of %s has come to nothing (%s): %s", s.name, now.Status, now.Error)
		}
		select {
		case <-time.After(500 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// describe fills in how the token stands after the sign-in.
func (s *signIn) describe(ctx context.Context) error {
	var st admin.Status
	if err := s.call(ctx, http.MethodGet, "/api/status?server="+url.QueryEscape(s.name), nil, &st); err != nil {
		return err
	}
	for _, one := range st.Servers {
		if one.Token != nil {
			s.done = *one.Token
		}
	}
	return nil
}
