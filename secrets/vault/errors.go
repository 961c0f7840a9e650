package vault

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"unicode"

	"github.com/hashicorp/vault/api"

	"bearerd/secrets"
)

// fault is an error of this package. kind is what errors.Is finds: secrets.ErrUnavailable, secrets.ErrDenied,
// secrets.ErrNotFound, context.Canceled, or nil.
type fault struct {
	kind   error
	text   string
	cause  error // nil: there is none beside kind
	sealed bool
	policy bool // Vault accepts the login, but a policy forbids the call
}

func (f *fault) Error() string { return f.text }

func (f *fault) Unwrap() []error {
	var list []error
	for _, err := range []error{f.kind, f.cause} {
		if err != nil {
			list = append(list, err)
		}
	}
	return list
}

func denied(format string, args ...any) error {
	return &fault{kind: secrets.ErrDenied, text: fmt.Sprintf(format, args...)}
}

// ErrEngine says that Vault has another kind of engine at a mount than KV v2, or at another path: only an edit of the
// configuration mends it. It is secrets.ErrDenied too.
var ErrEngine = errors.New("no KV v2 engine")

func wrongEngine(format string, args ...any) error {
	return &fault{kind: secrets.ErrDenied, cause: ErrEngine, text: fmt.Sprintf(format, args...)}
}

func notFound(format string, args ...any) error {
	return &fault{kind: secrets.ErrNotFound, text: fmt.Sprintf(format, args...)}
}

// explain says in plain words what err, of the library, means. What Vault itself answered is an outage only when its
// status says so; whatever else went wrong is one.
func (c *Client) explain(ctx context.Context, err error) error {
	if _, known := errors.AsType[*fault](err); known || err == nil {
		return err
	}
	if errors.Is(ctx.Err(), context.Canceled) {
		return &fault{kind: context.Canceled, text: fmt.Sprintf("Vault at %s: %v", c.conn.Address, context.Canceled)}
	}
	answer, ok := errors.AsType[*api.ResponseError](err)
	if !ok {
		return c.unreachable(ctx, err)
	}
	f := &fault{cause: err, text: fmt.Sprintf("Vault at %s answers %d: %s", c.conn.Address, answer.StatusCode, words(answer))}
	switch code := answer.StatusCode; {
	case code == http.StatusServiceUnavailable && strings.Contains(f.text, saysSealed):
		f.kind, f.sealed, f.text = secrets.ErrUnavailable, true, fmt.Sprintf("Vault at %s is sealed", c.conn.Address)
	case answer.RawError && strings.Contains(f.text, saysTLS):
		f.kind, f.text = secrets.ErrUnavailable, fmt.Sprintf("Vault at %s wants https: change the address", c.conn.Address)
	case code >= 500, code == http.StatusTooManyRequests, code == http.StatusRequestTimeout,
		code == http.StatusPreconditionFailed, answer.RawError, strings.Contains(f.text, saysUpgrading):
		f.kind = secrets.ErrUnavailable
	}
	return f
}

func (c *Client) unreachable(ctx context.Context, err error) error {
	reason := err
	u, sending := errors.AsType[*url.Error](err)
	if sending {
		reason = u.Err // its text repeats the address
	}
	f := &fault{kind: secrets.ErrUnavailable, cause: err}
	switch {
	case ctx.Err() != nil:
		f.text = fmt.Sprintf("Vault at %s did not answer in the time that the caller had", c.conn.Address)
	case errors.Is(err, context.DeadlineExceeded):
		f.text = fmt.Sprintf("Vault at %s did not answer within %s", c.conn.Address, c.conn.Timeout)
	case strings.Contains(reason.Error(), "x509:"):
		f.text = fmt.Sprintf("Vault at %s cannot be trusted: %s: check ca_path and tls_server_name", c.conn.Address, reason)
	case !sending: // the error may show what the answer says
		f.cause = nil
		f.text = fmt.Sprintf("Vault at %s gives an answer that cannot be read: check that the address is Vault's own", c.conn.Address)
	default:
		f.text = fmt.Sprintf("Vault at %s cannot be reached: %s", c.conn.Address, reason)
	}
	return f
}

// words is what Vault says about an error, on one line, printable, and not long.
func words(answer *api.ResponseError) string {
	var list []string
	for _, text := range answer.Errors {
		text = strings.Map(func(r rune) rune {
			if unicode.IsPrint(r) {
				return r
			}
			return ' '
		}, text)
		list = append(list, strings.Join(strings.Fields(text), " "))
	}
	text := []rune(strings.Join(list, "; "))
	switch {
	case len(text) == 0:
		return strings.ToLower(http.StatusText(answer.StatusCode))
	case len(text) > 200:
		return string(text[:200]) + "…"
	}
	return string(text)
}

// status is the HTTP status that Vault answered with; 0: it did not answer.
func status(err error) int {
	if answer, ok := errors.AsType[*api.ResponseError](err); ok && !answer.RawError {
		return answer.StatusCode
	}
	return 0
}

// says reports whether Vault answered with the status and a text that holds part.
func says(err error, code int, part string) bool {
	answer, ok := errors.AsType[*api.ResponseError](err)
	return ok && answer.StatusCode == code && strings.Contains(strings.Join(answer.Errors, "\n"), part)
}
