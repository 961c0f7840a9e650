package oauthtest

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
)

// Fault answers a request in the server's place. next gives the answer without the fault.
type Fault func(w http.ResponseWriter, r *http.Request, next http.Handler)

// Answer is a fixed answer.
func Answer(status int, contentType, body string) Fault {
	return func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

// OAuthError is an error answer (RFC 6749 §5.2).
func OAuthError(status int, code, description string) Fault {
	return func(w http.ResponseWriter, _ *http.Request, _ http.Handler) { fail(w, status, code, description) }
}

// TooMany is a 429 with a Retry-After header.
func TooMany(retryAfter string) Fault {
	return func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		w.Header().Set("Retry-After", retryAfter)
		w.WriteHeader(http.StatusTooManyRequests)
	}
}

// Redirect points elsewhere.
func Redirect(status int, location string) Fault {
	return func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		w.Header().Set("Location", location)
		w.WriteHeader(status)
	}
}

// Hang answers nothing until the client gives up or the server is closed.
func Hang() Fault {
	return func(w http.ResponseWriter, r *http.Request, _ http.Handler) {
		<-r.Context().Done()
		reset(w) // just returning would write an empty answer, which a client may still see
	}
}

// Lost lets the server do what it was asked, then f answers in its place: a refresh token is spent and its successor is
// lost.
func Lost(f Fault) Fault {
	return func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		capture(r, next)
		f(w, r, next)
	}
}

// CutShort gives half of the normal answer and closes the connection.
func CutShort() Fault {
	return func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		status, answer := capture(r, next)
		body, _ := json.Marshal(answer) // it was JSON before
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		w.WriteHeader(status)
		_, _ = w.Write(body[:len(body)/2]) // net/http closes a connection that is owed bytes
	}
}

// Reset breaks the connection, with a TCP reset.
func Reset() Fault {
	return func(w http.ResponseWriter, _ *http.Request, _ http.Handler) { reset(w) }
}

func reset(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	if t, ok := conn.(*tls.Conn); ok {
		conn = t.NetConn()
	}
	if t, ok := conn.(*net.TCPConn); ok {
		_ = t.SetLinger(0)
	}
	_ = conn.Close()
}

// Edit changes the members of the normal answer; a member that is deleted is absent.
func Edit(change func(answer map[string]any)) Fault {
	return func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		status, answer := capture(r, next)
		change(answer)
		reply(w, status, answer)
	}
}

// AsForm gives the normal answer form-encoded, as GitHub does.
func AsForm() Fault {
	return func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		status, answer := capture(r, next)
		form := url.Values{}
		for name, value := range answer {
			form.Set(name, fmt.Sprint(value))
		}
		Answer(status, "application/x-www-form-urlencoded", form.Encode())(w, r, next)
	}
}

// AsText gives the normal JSON answer as text/plain.
func AsText() Fault {
	return func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		status, answer := capture(r, next)
		body, _ := json.Marshal(answer) // it was JSON before
		Answer(status, "text/plain; charset=utf-8", string(body))(w, r, next)
	}
}

func capture(r *http.Request, next http.Handler) (status int, answer map[string]any) {
	kept := &recorder{header: http.Header{}, status: http.StatusOK}
	next.ServeHTTP(kept, r)
	answer = map[string]any{}
	_ = json.Unmarshal(kept.body.Bytes(), &answer) // an empty body has no members
	return kept.status, answer
}

// recorder is a small httptest.ResponseRecorder: that package would bring its flags into the binary.
type recorder struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (r *recorder) Header() http.Header         { return r.header }
func (r *recorder) WriteHeader(status int)      { r.status = status }
func (r *recorder) Write(p []byte) (int, error) { return r.body.Write(p) }
