package engine

import (
	"errors"
	"fmt"
	"slices"

	"bearerd/engine/oauth"
)

// known are the codes of RFC 6749 §5.2, RFC 8707 and the two transient ones of §4.1.2.1. Another code is an
// authorization server's own text, which goes to no MCP caller and becomes no label.
var known = []string{"invalid_request", "invalid_client", "invalid_grant", "unauthorized_client", "unsupported_grant_type",
	"invalid_scope", "invalid_target", "server_error", "temporarily_unavailable"}

// kind is the reason label of a failure.
func kind(w *oauth.Error) string {
	var scope *oauth.ScopeError
	switch {
	case errors.As(w, &scope):
		return "scope"
	case slices.Contains(known, w.Code):
		return w.Code
	case w.Unsent:
		return "local"
	case w.Status >= 400:
		return fmt.Sprintf("http_%d", w.Status)
	case w.Status != 0:
		return "answer"
	}
	return "network"
}

// summary says what happened in words of ours alone.
func summary(w *oauth.Error) string {
	switch k := kind(w); {
	case slices.Contains(known, w.Code):
		return fmt.Sprintf("the authorization server answered %s (HTTP %d)", w.Code, w.Status)
	case k == "scope":
		return "the token lacks a requested scope"
	case k == "local":
		return "the token request could not be made for want of a local file or secret, which `bearerd status` names"
	case k == "network":
		return "the authorization server cannot be reached"
	case k == "answer":
		return "the authorization server's answer held no usable token"
	}
	return fmt.Sprintf("the authorization server answered HTTP %d", w.Status)
}

// remedies by kind, each naming the field to look at.
var remedies = map[string]string{
	"invalid_client":         "verify OAUTH_CLIENT_ID and OAUTH_CLIENT_SECRET, and whether the server wants OAUTH_USE_BASIC_AUTH = false",
	"unauthorized_client":    "allow the client credentials grant for this client at the authorization server",
	"unsupported_grant_type": "verify OAUTH_TOKEN_URL, or allow the client credentials grant at the authorization server",
	"invalid_scope":          "verify OAUTH_SCOPE",
	"invalid_target":         "verify OAUTH_RESOURCE",
	"invalid_request":        "verify OAUTH_TOKEN_URL and OAUTH_ADDITIONAL_PARAMS",
	"scope":                  "request correct scopes or set OAUTH_VALIDATE_SCOPES = false",
	"local":                  "once it is mended where bearerd runs, the next try uses it",
	"network":                "verify OAUTH_TOKEN_URL and that the authorization server runs",
	"answer":                 "verify OAUTH_TOKEN_URL",
}

func remedy(w *oauth.Error) string {
	switch {
	case w.Unsent:
	case w.Op == "registration":
		return "see what its provider wants of clients, register one there, and write OAUTH_CLIENT_ID"
	case w.Op == "discovery" && kind(w) == "network":
		return "verify url or OAUTH_SERVER_URL, and that the servers that its metadata names can be reached"
	case w.Op == "discovery":
		return "verify url or OAUTH_SERVER_URL and what its metadata says, or write OAUTH_TOKEN_URL (and OAUTH_AUTHORIZATION_URL)"
	}
	if r, ok := remedies[kind(w)]; ok {
		return r
	}
	return "try again later"
}
