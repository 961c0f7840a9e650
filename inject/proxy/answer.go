package proxy

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
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

// noToken answers when there is no token to send: 503 and when to come back, so that no client starts an OAuth of its own.
func (rt *route) noToken(w http.ResponseWriter, body []byte, err error) {
	message, wait := "OAuth token invalid: "+err.Error(), time.Second
	var e *engine.Error
	if errors.As(err, &e) {
		message, wait = e.ForCaller(), max(wait, e.RetryAfter)
	}
	w.Header().Set("Retry-After", strconv.Itoa(int(wait.Round(time.Second).Seconds())))
	refuse(w, http.StatusServiceUnavailable, body, rt.name, message)
}
