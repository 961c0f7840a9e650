package admin

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"bearerd/engine"
)

// maxAnswer bounds what is read of a callback's query, and of any other body here.
const maxAnswer = 16 << 10

// Codes of a Problem, for programs.
const (
	OtherFlow = "other_flow" // the answer belongs to no sign-in that is under way; that one goes on
	NoLogin   = "no_login"   // the server needs no person
	Forgotten = "forgotten"  // the authorization server does not know the client any more: the next sign-in registers anew
)

// Redirect is where the answer to a sign-in is to arrive: a URI of the command's machine.
type Redirect struct {
	URI     string `json:"redirect_uri"`
	Movable bool   `json:"movable"`           // another port does as well
	Pending bool   `json:"pending,omitempty"` // a sign-in waits there, unless its process has gone

	Callback bool `json:"callback,omitempty"` // the daemon takes the answer itself: ask it to reauthorize
}

// Begin asks for a sign-in.
type Begin struct {
	URI      string `json:"redirect_uri"`       // where the answer will arrive
	Register bool   `json:"register,omitempty"` // a client anew, though there is one
}

// Login is a sign-in that has begun.
type Login struct {
	URL     string    `json:"authorize_url"`
	Expires time.Time `json:"expires_at"`
}

// Device is a sign-in on another device that has begun (RFC 8628 §3.2).
type Device struct {
	UserCode    string    `json:"user_code"`
	URL         string    `json:"url"`
	CompleteURL string    `json:"complete_url,omitempty"` // with the code in it
	Expires     time.Time `json:"expires_at"`
}

func (a *API) redirect(w http.ResponseWriter, r *http.Request, s *engine.Source) {
	s.Yield(r.Context())
	to, err := s.Redirect(r.Context())
	if err != nil {
		fail(w, a.unneeded(r, err))
		return
	}
	made := false
	if c := a.Config().Server(r.PathValue("name")); c != nil {
		made = c.Made // its client was agreed on with our callback
	}
	here := a.PID != 0 && a.Redirect != "" && (made || to.URI == a.Redirect)
	reply(w, Redirect{URI: to.URI, Movable: to.Movable, Pending: to.Pending, Callback: here})
}

// unneeded adds to ErrNoLogin why that is so, and what gets a token.
func (a *API) unneeded(r *http.Request, err error) error {
	name := r.PathValue("name")
	s := a.Config().Server(name) // nil: it was removed just now
	if !errors.Is(err, engine.ErrNoLogin) || s == nil || s.OAuth == nil {
		return err
	}
	return fmt.Errorf("%w: its OAUTH_GRANT_TYPE is %q; `bearerd refresh %s` gets a token", err, s.OAuth.GrantType, name)
}

func (a *API) beginLogin(w http.ResponseWriter, r *http.Request, s *engine.Source) {
	var want Begin
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxAnswer)).Decode(&want); err != nil || want.URI == "" {
		fail(w, &badInput{`the body must be {"redirect_uri": "…"}`})
		return
	}
	l, err := s.BeginLogin(r.Context(), want.URI, want.Register)
	if err != nil {
		fail(w, a.unneeded(r, err))
		return
	}
	reply(w, Login{l.URL, l.Expires})
}

// finishLogin takes the query of the answer as the body: bodies are in no log and in no list of processes.
func (a *API) finishLogin(w http.ResponseWriter, r *http.Request, s *engine.Source) {
	query, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxAnswer))
	if err != nil {
		fail(w, &badInput{"the answer of the sign-in could not be read, or is longer than 16 KiB"})
		return
	}
	if _, err := s.FinishLogin(r.Context(), string(query)); err != nil {
		fail(w, a.unneeded(r, err))
		return
	}
	reply(w, s.Status())
}

func (a *API) endLogin(w http.ResponseWriter, r *http.Request, s *engine.Source) {
	if err := s.EndLogin(r.Context(), r.URL.Query().Get("redirect_uri")); err != nil {
		fail(w, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func (a *API) beginDevice(w http.ResponseWriter, r *http.Request, s *engine.Source) {
	d, err := s.BeginDevice(r.Context())
	if err != nil {
		fail(w, a.unneeded(r, err))
		return
	}
	reply(w, Device{d.UserCode, d.URL, d.CompleteURL, d.Expires})
}

// finishDevice answers when the person has: it may take minutes.
func (a *API) finishDevice(w http.ResponseWriter, r *http.Request, s *engine.Source) {
	if _, err := s.FinishDevice(r.Context()); err != nil {
		fail(w, a.unneeded(r, err))
		return
	}
	reply(w, s.Status())
}

func (a *API) logout(w http.ResponseWriter, r *http.Request, s *engine.Source) {
	sent, left, err := s.Logout(r.Context(), r.URL.Query().Get("local") == "true")
	if err != nil {
		fail(w, err)
		return
	}
	a.closeFlow(r.Context(), r.PathValue("name"), s)
	reply(w, Revoked{Status: s.Status(), Sent: sent, Left: left, Next: a.next(r.PathValue("name"), sent)})
}
