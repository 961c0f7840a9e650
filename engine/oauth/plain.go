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
	"strings"
	"syscall"
	"time"
)

// netError is a failed exchange in plain words. The original is not kept: net/http puts URLs, bytes of answers and
// the proxy's password into error texts.
type netError struct {
	text string
	is   error // a context error or an errno, for errors.Is; else nil
}

func (e *netError) Error() string { return e.text }
func (e *netError) Unwrap() error { return e.is }

// PlainError puts a failed HTTP exchange into words that may be logged and shown: the host, and a text of ours or one
// that cannot hold what either side sent. after is how long it took. It keeps context errors and errnos for errors.Is.
func PlainError(host string, after time.Duration, err error) error {
	if e, ok := errors.AsType[*materialError](err); ok { // a client certificate that went away since it was checked
		return e
	}
	if e, ok := errors.AsType[*reachError](err); ok { // it names the host and the address
		return e
	}
	if e, ok := errors.AsType[*unresolvedError](err); ok {
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
