package oauth

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"bearerd/secrets"
)

// What was tried, as an Error names it.
const (
	opToken     = "token request"
	opRevoke    = "revocation"
	opAuthorize = "authorization"
	opRegister  = "registration"
	opDevice    = "device authorization"
)

// Error is the outcome of a request that gave no token. Its text holds no secret, no body and no query of a URL.
type Error struct {
	Op            string // what was tried: "token request", "revocation", "authorization" …
	Code          string // the OAuth error code (RFC 6749 §4.1.2.1, §5.2 …); "" when the answer held none
	Description   string // error_description: at most 200 printable ASCII characters
	Status        int    // HTTP; 0 when there was no answer
	CorrelationID string
	RetryAfter    time.Duration // what the server asked for; 0: nothing
	Final         bool          // asking again changes nothing until somebody mends the configuration or the server
	Unsent        bool          // a local cause, such as a missing certificate: nothing left this host
	Ambiguous     bool          // the request went out and no answer came that can be read: the server may have acted on it
	SecretSent    string        // the fingerprint of the client secret that was sent; "": none
	Err           error         // the cause where there is no Code

	// Rotated is the refresh token of an answer that is of no other use, such as one without a wanted scope. The one that
	// was sent is spent: keep this in its place. Zero: none was given.
	Rotated secrets.Secret
}

// Error is `OAuth token request failed: CODE - DESCRIPTION (HTTP 401, correlation_id=ID)`; of a ScopeError it is the
// documented text with the same end.
func (e *Error) Error() string {
	if s, ok := errors.AsType[*ScopeError](e.Err); ok {
		return s.Error() + e.trace()
	}
	if e.Unsent { // no server has seen the id
		return fmt.Sprintf("OAuth %s not sent: %s", e.Op, e.reason())
	}
	return fmt.Sprintf("OAuth %s failed: %s%s", e.Op, e.reason(), e.trace())
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

func (e *Error) reason() string {
	switch {
	case e.Code != "" && e.Description != "":
		return e.Code + " - " + e.Description
	case e.Code != "":
		return e.Code
	case e.Err != nil:
		return e.Err.Error()
	}
	return "no reason was given"
}

func (e *Error) trace() string {
	var parts []string
	if e.Status != 0 {
		parts = append(parts, fmt.Sprintf("HTTP %d", e.Status))
	}
	if e.CorrelationID != "" {
		parts = append(parts, "correlation_id="+e.CorrelationID)
	}
	if len(parts) == 0 {
		return ""
	}
	return " (" + strings.Join(parts, ", ") + ")"
}

// ScopeError is the cause when OAUTH_VALIDATE_SCOPES is on and a requested scope was not granted. It is Final: the
// server did answer, and it will grant the same again until its policy or OAUTH_SCOPE changes.
type ScopeError struct {
	Requested, Received string // space-separated
}

// Error is the documented text.
func (e *ScopeError) Error() string {
	return fmt.Sprintf("Token scopes validation failed. Requested: %s, Received: %s", e.Requested, e.Received)
}

func unsent(op, id string, err error) *Error {
	return &Error{Op: op, CorrelationID: id, Unsent: true, Err: err}
}

// finalCodes are those of RFC 6749 §5.2, RFC 8707 §2 and RFC 7009 §2.2.1.
var finalCodes = []string{
	"invalid_request", "invalid_client", "invalid_grant", "unauthorized_client", "unsupported_grant_type",
	"invalid_scope", "invalid_target", "unsupported_token_type",
}

// finalOf are the codes that are final for one kind of request alone: RFC 6749 §4.1.2.1 with OpenID Connect Core §3.1.2.6,
// and RFC 7591 §3.2.2.
var finalOf = map[string][]string{
	opAuthorize: {
		"access_denied", "unsupported_response_type", "interaction_required", "login_required",
		"account_selection_required", "consent_required",
	},
	opRegister: {
		"access_denied", "invalid_redirect_uri", "invalid_client_metadata", "invalid_software_statement",
		"unapproved_software_statement",
	},
}

// isFinal looks at the status too, as gateways in front of a server put its codes on errors of their own. An authorization
// response has none.
func isFinal(op string, status int, code string) bool {
	known := status == 200 || status == 400 || status == 401 || status == 403 && op == opRegister || op == opAuthorize
	return known && (slices.Contains(finalCodes, code) || slices.Contains(finalOf[op], code))
}
