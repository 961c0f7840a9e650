package oauth

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"time"
)

// What was tried, as an Error names it.
const (
	opToken  = "token request"
	opRevoke = "revocation"
)

// Error is the outcome of a request that gave no token. Its text holds no secret, no body and no query of a URL.
type Error struct {
	Op            string // "token request" or "revocation"
	Code          string // the OAuth error code (RFC 6749 §5.2); "" when the answer held none
	Description   string // error_description: at most 200 printable ASCII characters
	Status        int    // HTTP; 0 when there was no answer
	CorrelationID string
	RetryAfter    time.Duration // what the server asked for; 0: nothing
	Final         bool          // asking again changes nothing until somebody mends the configuration or the server
	Unsent        bool          // a local cause, such as a missing certificate: nothing left this host
	Err           error         // the cause where there is no Code
}

// Error is `OAuth token request failed: CODE - DESCRIPTION (HTTP 401, correlation_id=ID)`.
func (e *Error) Error() string {
	if s, ok := errors.AsType[*ScopeError](e.Err); ok {
		return s.Error()
	}
	verb := "failed"
	if e.Unsent {
		verb = "not sent"
	}
	return fmt.Sprintf("OAuth %s %s: %s%s", e.Op, verb, e.reason(), e.trace())
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

// isFinal looks at the status too, as gateways in front of a server put its codes on errors of their own.
func isFinal(status int, code string) bool {
	return (status == 200 || status == 400 || status == 401) && slices.Contains(finalCodes, code)
}

// netError is a failed exchange in plain words. The original is not kept: net/http puts URLs, bytes of answers and
// the proxy's password into error texts.
type netError struct {
	text string
	is   error // a context error or an errno, for errors.Is; else nil
}

func (e *netError) Error() string { return e.text }
func (e *netError) Unwrap() error { return e.is }

func newNetError(host string, after time.Duration, err error) error {
	if e, ok := errors.AsType[*fileError](err); ok { // a client certificate that went away since it was checked
		return e
	}
	text, is := plainWords(err)
	if errors.Is(is, context.DeadlineExceeded) {
		text = fmt.Sprintf("timed out after %v", after.Round(10*time.Millisecond))
	}
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "proxyconnect" {
		text = "proxy: " + text
	}
	return &netError{host + ": " + text, is}
}

func plainWords(err error) (text string, is error) {
	if words := tlsWords(err); words != "" {
		return "TLS: " + words, nil
	}
	if errors.Is(err, context.Canceled) {
		return "cancelled", context.Canceled
	}
	if t, ok := errors.AsType[net.Error](err); ok && t.Timeout() {
		return "timed out", context.DeadlineExceeded
	}
	if _, ok := errors.AsType[*net.DNSError](err); ok {
		return "the host name cannot be resolved", nil
	}
	if errno, ok := errors.AsType[syscall.Errno](err); ok {
		return errno.Error(), errno
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return "the connection was closed before the answer was complete", nil
	}
	if errors.Is(err, errTooLong) {
		return errTooLong.Error(), nil
	}
	return fmt.Sprintf("the exchange failed (%T)", innermost(err)), nil
}

func tlsWords(err error) string {
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return "the certificate is signed by an unknown authority (set OAUTH_CA_BUNDLE_PATH)"
	}
	if _, ok := errors.AsType[x509.HostnameError](err); ok {
		return "the certificate is not valid for this host"
	}
	if e, ok := errors.AsType[x509.CertificateInvalidError](err); ok && e.Reason == x509.Expired {
		return "the certificate has expired or is not yet valid"
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return "the certificate cannot be verified"
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok || errors.Is(err, http.ErrSchemeMismatch) {
		return "the server does not speak TLS on this port"
	}
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "remote error" { // an alert, a fixed text
		return "the server refused: " + strings.TrimPrefix(op.Err.Error(), "tls: ")
	}
	if text, ok := strings.CutPrefix(innermost(err).Error(), "tls: "); ok { // of crypto/tls: fixed texts too
		return text
	}
	return ""
}

func innermost(err error) error {
	for {
		next := errors.Unwrap(err)
		if next == nil {
			return err
		}
		err = next
	}
}
