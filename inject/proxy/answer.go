package proxy

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"bearerd/engine"
)

// The JSON-RPC error code of an answer that bearerd gives in upstream's place.
const codeProxy = -32001

// refuse answers in upstream's place, as a JSON-RPC error to the request that body holds, so that an MCP client shows
// its user the reason.
func refuse(w http.ResponseWriter, status int, body []byte, server, message string) {
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
			"code": codeProxy, "message": message, "data": map[string]string{"server": server},
		},
	})
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Content-Length", strconv.Itoa(len(answer)))
	w.WriteHeader(status)
	_, _ = w.Write(answer)
}

// unread answers when the request body did not come, or not as HTTP.
func (rt *route) unread(w http.ResponseWriter, body *body) int {
	w.Header().Set("Connection", "close") // what follows on it is not known
	if body.rest.stalled.Load() {
		refuse(w, http.StatusRequestTimeout, nil, rt.name, fmt.Sprintf("no byte of the request body came for %v", bodyPatience))
		return http.StatusRequestTimeout
	}
	refuse(w, http.StatusBadRequest, nil, rt.name, "the request body could not be read")
	return http.StatusBadRequest
}

// noToken answers when there is no token to send: 503 and when to come back, so that no client starts an OAuth of its own.
func (rt *route) noToken(w http.ResponseWriter, body []byte, err error) {
	message, wait := fmt.Sprintf("OAuth token invalid for server %q: %v", rt.name, err), time.Second
	var e *engine.Error
	if errors.As(err, &e) {
		message, wait = e.ForCaller(), max(wait, e.RetryAfter)
		if e.State == engine.Revoked { // only a person ends it
			wait = max(wait, time.Minute)
		}
	}
	w.Header().Set("Retry-After", strconv.Itoa(int(wait.Round(time.Second).Seconds())))
	refuse(w, http.StatusServiceUnavailable, body, rt.name, message)
}

// A refusal is why a request whose token upstream refused was not helped.
type refusal string

func (r refusal) Error() string { return string(r) }

const (
	errNotRetried refusal = "upstream refused it; it has been renewed, but this request was not retried: send it again"
	errTooLarge   refusal = "upstream refused it; it has been renewed, but this request was not retried, because it was too " +
		"large to send again (over 4 MiB): send it once more"
	errCrowded refusal = "upstream refused it; it has been renewed, but this request was not retried, because too many bytes " +
		"of other requests were held: send it again"
	errRefusedAgain refusal = "upstream refuses a freshly renewed one: check OAUTH_AUDIENCE, OAUTH_RESOURCE and OAUTH_SCOPE"
)

// dead answers a request whose token upstream refused and that could not be helped.
func (rt *route) dead(w http.ResponseWriter, r *http.Request, body *body, err error) int {
	if r.Context().Err() != nil {
		return http.StatusBadGateway
	}
	message := fmt.Sprintf("OAuth token invalid for server %q: %v", rt.name, err)
	var e *engine.Error
	var known refusal
	switch {
	case errors.As(err, &e):
		message = e.ForCaller()
	case !errors.As(err, &known) && !errors.Is(err, engine.ErrGone):
		return rt.failed(w, r, body, err)
	}
	rt.warn("upstream refused the token, and the request could not be helped", err)
	refuse(w, http.StatusBadGateway, body.head, rt.name, message)
	return http.StatusBadGateway
}

// failed answers when there is no answer of upstream's to pass on. The cause goes to the log only.
func (rt *route) failed(w http.ResponseWriter, r *http.Request, body *body, err error) int {
	if body.rest.stalled.Load() { // the context has ended too: net/http ends it when reading fails
		return rt.unread(w, body)
	}
	if r.Context().Err() != nil {
		return http.StatusBadGateway
	}
	rt.log.Warn("the request to upstream failed", "server", rt.name, "error", err)
	refuse(w, http.StatusBadGateway, body.head, rt.name,
		fmt.Sprintf("the request to upstream of server %q failed: see the log of bearerd", rt.name))
	return http.StatusBadGateway
}

func (rt *route) redirected(w http.ResponseWriter, body *body) int {
	const what = "answered with a redirect, which is not followed: set url to the final address"
	rt.warn("upstream "+what, nil)
	refuse(w, http.StatusBadGateway, body.head, rt.name, fmt.Sprintf("upstream of server %q %s", rt.name, what))
	return http.StatusBadGateway
}

// lacksScope reports whether upstream wants more scope than the token has (RFC 6750 §3.1). The answer passes as it is.
func lacksScope(resp *http.Response) bool {
	return resp.StatusCode == http.StatusForbidden && slices.ContainsFunc(resp.Header.Values("WWW-Authenticate"),
		func(v string) bool { return strings.Contains(v, "insufficient_scope") })
}

// warn logs what only a person can mend, at most once a minute for each route: clients repeat what failed. err may be
// nil.
func (rt *route) warn(what string, err error) {
	now, last := time.Now().UnixNano(), rt.warned.Load()
	if last != 0 && now-last < int64(time.Minute) || !rt.warned.CompareAndSwap(last, now) {
		return
	}
	attrs := []any{"server", rt.name}
	if err != nil {
		attrs = append(attrs, "error", err)
	}
	rt.log.Warn(what, attrs...)
}
