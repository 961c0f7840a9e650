package proxy

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"bearerd/engine"
	"bearerd/engine/oauth"
)

// The JSON-RPC error code of an answer that bearerd gives in upstream's place.
const codeProxy = -32001

// ReasonHeader is the header of an answer that bearerd gives in upstream's place, and of no other: it holds the reason in the
// data of the answer.
const ReasonHeader = "Bearerd-Reason"

// refuse answers in upstream's place, as a JSON-RPC error to the request that body holds, so that an MCP client shows
// its user the reason.
func refuse(w http.ResponseWriter, status int, body []byte, server, message string) {
	reason := "http_" + strconv.Itoa(status)
	answer := refusalTo(body, server, reason, message, slices.Contains(repeatable, reason))
	for name, values := range refusalHeader(reason, answer) {
		w.Header()[name] = values
	}
	w.WriteHeader(status)
	_, _ = w.Write(answer)
}

// Words for programs, in the data of an answer that bearerd gives in upstream's place.
const (
	reasonUnreachable = "unreachable"
	reasonLost        = "answer_lost"
	reasonNoToken     = "no_token"
	reasonNeedsReauth = "needs_reauth"  // no token either, until a person acts
	reasonRefused     = "token_refused" // although it was fresh
	reasonScope       = "insufficient_scope"
	reasonRenewed     = "token_renewed" // but the request was not sent again
	reasonRedirect    = "redirect"
	reasonOrigin      = "other_origin"
	reasonSettings    = "settings"
)

// repeatable are the reasons for which upstream has certainly not acted, unless it may have done so before.
var repeatable = []string{reasonUnreachable, reasonNoToken, reasonNeedsReauth, reasonRenewed}

// instead is a response in upstream's place.
func (rt *route) instead(status int, body *body, reason, message string) *http.Response {
	retry := slices.Contains(repeatable, reason) && !body.acted
	return rt.response(status, reason, refusalTo(body.bytes(), rt.name, reason, message, retry))
}

func (rt *route) response(status int, reason string, answer []byte) *http.Response {
	header := refusalHeader(reason, answer)
	header.Set("Date", time.Now().UTC().Format(http.TimeFormat))
	return &http.Response{
		Status: http.StatusText(status), StatusCode: status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: header,
		ContentLength: int64(len(answer)), Body: io.NopCloser(bytes.NewReader(answer)),
	}
}

// refusalTo is the JSON-RPC error for a request. retry says that upstream has certainly not acted on it.
func refusalTo(body []byte, server, reason, message string, retry bool) []byte {
	var request struct {
		ID json.RawMessage `json:"id"`
	}
	if json.Unmarshal(body, &request) != nil || request.ID == nil {
		request.ID = json.RawMessage("null")
	}
	answer, _ := json.Marshal(map[string]any{ // its parts always marshal
		"jsonrpc": "2.0",
		"id":      request.ID,
		"error": map[string]any{
			"code": codeProxy, "message": message,
			"data": map[string]any{"server": server, "reason": reason, "retry": retry},
		},
	})
	return answer
}

func refusalHeader(reason string, answer []byte) http.Header {
	return http.Header{
		"Content-Type": {"application/json"}, "Cache-Control": {"no-store"}, "Content-Length": {strconv.Itoa(len(answer))},
		ReasonHeader: {reason},
	}
}

// unread answers when the request body did not come, or not as HTTP.
func (rt *route) unread(w http.ResponseWriter, body *body) int {
	w.Header().Set("Connection", "close") // what follows on it is not known
	switch {
	case body.rest.tooLarge.Load():
		refuse(w, http.StatusRequestEntityTooLarge, nil, rt.name, fmt.Sprintf("the request body has more than %d bytes: see max_body_bytes", rt.limits.MaxBodyBytes))
		return http.StatusRequestEntityTooLarge
	case body.rest.stalled.Load():
		refuse(w, http.StatusRequestTimeout, nil, rt.name, fmt.Sprintf("no byte of the request body came for %v: see body_timeout", rt.limits.BodyTimeout))
		return http.StatusRequestTimeout
	}
	refuse(w, http.StatusBadRequest, nil, rt.name, "the request body could not be read")
	return http.StatusBadRequest
}

// noToken answers when there is no token to send: 503 and when to come back, so that no client starts an OAuth of its own.
func (rt *route) noToken(body *body, err error) *http.Response {
	reason, message, wait := reasonNoToken, fmt.Sprintf("OAuth token invalid for server %q: %v", rt.name, err), time.Second
	var e *engine.Error
	if errors.As(err, &e) {
		message, wait = e.ForCaller(), max(wait, e.RetryAfter)
		switch e.State {
		case engine.Revoked: // only a person ends it
			wait = max(wait, time.Minute)
		case engine.NeedsReauth:
			reason = reasonNeedsReauth
		}
	}
	resp := rt.instead(http.StatusServiceUnavailable, body, reason, message)
	resp.Header.Set("Retry-After", strconv.Itoa(int(wait.Round(time.Second).Seconds())))
	return resp
}

// A refusal is why a request whose token upstream refused was not helped.
type refusal string

func (r refusal) Error() string { return string(r) }

const (
	errNotRetried refusal = "upstream refused it, but did not say by a Bearer challenge that it was the reason, so that the server may have acted; " +
		"it has been renewed, but this request was not retried (see replay): if it has not acted, send it again"
	errNever    refusal = "upstream refused it; it has been renewed, but this request was not retried, as replay is \"never\": send it again"
	errTooLarge refusal = "upstream refused it; it has been renewed, but this request was not retried, because it was too " +
		"large to send again (see replay_bytes): send it once more"
	errCrowded refusal = "upstream refused it; it has been renewed, but this request was not retried, because too many bytes " +
		"of other requests were held: send it again"
	errRefusedAgain refusal = "upstream refuses a freshly renewed one: check OAUTH_AUDIENCE, OAUTH_RESOURCE and OAUTH_SCOPE"
)

// dead answers a request whose token upstream refused and that could not be helped.
func (rt *route) dead(r *http.Request, body *body, status int, err error) (*http.Response, error) {
	if r.Context().Err() != nil {
		return nil, r.Context().Err()
	}
	message := fmt.Sprintf("OAuth token invalid for server %q: %v", rt.name, err)
	var e *engine.Error
	var known refusal
	switch {
	case errors.As(err, &e) && e.State == engine.NeedsReauth && status == http.StatusUnauthorized:
		return rt.noToken(body, err), nil
	case errors.As(err, &e):
		message = e.ForCaller()
	case !errors.As(err, &known) && !errors.Is(err, engine.ErrGone):
		return rt.failed(r, body, err)
	}
	rt.warn("upstream refused the token of a request", err)
	if known == "" || known == errRefusedAgain { // with the others it was a token that is renewed by now
		rt.noteStatus(status)
	}
	reason := reasonRenewed
	switch {
	case status == http.StatusForbidden:
		return rt.instead(status, body, reasonScope, message), nil
	case known == errRefusedAgain:
		reason = reasonRefused
	case errors.Is(err, engine.ErrNotHelped): // it was renewed too lately to be renewed again
		resp := rt.instead(http.StatusBadGateway, body, reasonRefused, message)
		resp.Header.Set("Retry-After", strconv.Itoa(int(e.RetryAfter.Round(time.Second).Seconds())))
		return resp, nil
	case known == "":
		reason = reasonNoToken
	}
	return rt.instead(http.StatusBadGateway, body, reason, message), nil
}

// unanswered is a request that upstream did not answer.
type unanswered struct {
	cause error // in plain words, which may be shown
	phase phase
}

// errAnswerHead says that upstream's headers go on and on.
var errAnswerHead = errors.New("the head of its answer is larger than max_answer_head_bytes")

// unanswered puts err, which a request that was begun at start has met, into words.
func (rt *route) unanswered(start time.Time, err error) *unanswered {
	for _, said := range []string{"server response headers exceeded", "response header list larger"} { // net/http has no error of that name
		if strings.Contains(err.Error(), said) {
			err = errAnswerHead
		}
	}
	if errors.Is(err, errAnswerHead) {
		return &unanswered{fmt.Errorf("%s: %w", rt.target.Host, err), sending}
	}
	return &unanswered{oauth.PlainError(rt.target.Host, time.Since(start), err), phaseOf(err)}
}

func (u *unanswered) Error() string { return u.cause.Error() }
func (u *unanswered) Unwrap() error { return u.cause }

// phase is how far a request came.
type phase int

const (
	dialling phase = iota // no connection could be made
	greeting              // it could not be secured
	sending               // upstream may have got the request
)

func phaseOf(err error) phase {
	if op, ok := errors.AsType[*net.OpError](err); ok && (op.Op == "dial" || op.Op == "proxyconnect") {
		return dialling
	}
	_, refused := errors.AsType[*tls.CertificateVerificationError](err)
	_, other := errors.AsType[tls.RecordHeaderError](err)
	if refused || other || errors.Is(err, http.ErrSchemeMismatch) {
		return greeting
	}
	return sending
}

// failed answers when there is no answer of upstream's to pass on.
func (rt *route) failed(r *http.Request, body *body, err error) (*http.Response, error) {
	if body.rest.failed() {
		return nil, os.ErrDeadlineExceeded
	}
	if r.Context().Err() != nil {
		return nil, r.Context().Err()
	}
	rt.warn("the request to upstream failed", err)
	reason, message := reasonSettings, fmt.Sprintf("the request to upstream of server %q failed: see the log of bearerd", rt.name)
	if u, ok := errors.AsType[*unanswered](err); ok {
		rt.note("no answer: " + u.Error())
		switch {
		case errors.Is(u, oauth.ErrOutOfReach):
			message = fmt.Sprintf("the server %q may not be connected to: %v", rt.name, u)
		case u.phase == dialling:
			reason, message = reasonUnreachable, fmt.Sprintf("the server %q cannot be reached: %v: is it running, and is url right?", rt.name, u)
		case u.phase == greeting:
			reason, message = reasonUnreachable, fmt.Sprintf("the server %q cannot be reached: %v", rt.name, u)
		default:
			reason, message = reasonLost, fmt.Sprintf("the server %q gave no answer that can be used, and it is not known whether it has acted: %v", rt.name, u)
		}
	}
	return rt.instead(http.StatusBadGateway, body, reason, message), nil
}

func (rt *route) redirected(body *body) *http.Response {
	const what = "answered with a redirect, which is not followed: set url to the final address"
	rt.warn("upstream "+what, nil)
	rt.note("it " + what)
	return rt.instead(http.StatusBadGateway, body, reasonRedirect, fmt.Sprintf("upstream of server %q %s", rt.name, what))
}

// lacksScope reports whether upstream wants more scope than the token has (RFC 6750 §3.1).
func lacksScope(resp *http.Response) bool {
	return resp.StatusCode == http.StatusForbidden && slices.ContainsFunc(resp.Header.Values("WWW-Authenticate"),
		func(v string) bool { return strings.Contains(v, "insufficient_scope") })
}

// warn logs what only a person can mend, each at most once a minute for a route: clients repeat what failed. what is a constant,
// err may be nil.
func (rt *route) warn(what string, err error) {
	now := time.Now()
	if last, told := rt.warned.LoadOrStore(what, now); told {
		if now.Sub(last.(time.Time)) < time.Minute || !rt.warned.CompareAndSwap(what, last, now) {
			return
		}
	}
	attrs := []any{"server", rt.name}
	if err != nil {
		attrs = append(attrs, "error", err)
	}
	rt.log.Warn(what, attrs...)
}
