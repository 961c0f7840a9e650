package admin

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"bearerd/config"
	"bearerd/engine"
	"bearerd/engine/oauth"
	"bearerd/secrets"
)

// badInput is an error of the caller.
type badInput struct{ text string }

func (e *badInput) Error() string { return e.text }

// absent is a request for what is not there.
type absent struct{ text string }

func (e *absent) Error() string { return e.text }

// notNow is a request that is right, and cannot be done as things are.
type notNow struct{ text string }

func (e *notNow) Error() string { return e.text }

// theirs is a failure of the authorization server or of the MCP server, in words of ours.
type theirs struct{ text string }

func (e *theirs) Error() string { return e.text }

// Problem is the answer to a command that failed.
type Problem struct {
	Error string `json:"error"`
	Field string `json:"field,omitempty"` // what was wrong in the request
	Code  string `json:"code,omitempty"`  // OtherFlow, NoLogin, Forgotten; absent: none that a program would act on
}

func fail(w http.ResponseWriter, err error) {
	status, code := judged(err)
	p := Problem{Error: strings.TrimSpace(err.Error()), Code: code}
	if field := new(fieldError); errors.As(err, &field) {
		p.Field = field.field
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(p)
}

// judged says whose fault an error is.
func judged(err error) (status int, code string) {
	var token *engine.Error
	is := func(list ...error) bool {
		return slices.ContainsFunc(list, func(target error) bool { return errors.Is(err, target) })
	}
	switch {
	case is(ErrStopping):
		return http.StatusServiceUnavailable, ""
	case errors.As(err, new(*badInput)), errors.As(err, new(*fieldError)), errors.As(err, new(*refusedEdit)),
		errors.As(err, new(config.Diagnostics)):
		return http.StatusBadRequest, ""
	case errors.As(err, new(*notNow)), is(config.ErrNoFolder, config.ErrNotMade, ErrBroken):
		return http.StatusConflict, ""
	case errors.As(err, new(*theirs)):
		return http.StatusBadGateway, ""
	case is(engine.ErrNoLogin):
		return http.StatusBadRequest, NoLogin
	case is(engine.ErrUnregistered):
		return http.StatusBadGateway, Forgotten
	case is(engine.ErrOtherFlow):
		return http.StatusConflict, OtherFlow
	case errors.As(err, new(*absent)), is(engine.ErrUnknown, secrets.ErrNotFound):
		return http.StatusNotFound, ""
	case is(engine.ErrNoRevocation, secrets.ErrConflict, engine.ErrGone):
		return http.StatusConflict, ""
	case errors.As(err, &token) && token.Err == nil && (token.State == engine.NeedsReauth || token.State == engine.Revoked):
		return http.StatusConflict, "" // nobody was asked: a person must act first
	case errors.As(err, &token), is(secrets.ErrUnavailable, secrets.ErrDenied, context.DeadlineExceeded, context.Canceled):
		return http.StatusBadGateway, ""
	}
	return http.StatusInternalServerError, ""
}

// hclName finds the names of fields in what the configuration says.
var hclName = regexp.MustCompile(`\b(OAUTH_[A-Z_]+|url|headers|command|args|env)\b`)

// edited is an error of Edit as the caller of the API can act on it: with the names of its own JSON, where it is about the
// server of the request. What is wrong elsewhere in the configuration is not the request's fault.
func edited(err error, server string) error {
	var diagnostics config.Diagnostics
	if !errors.As(err, &diagnostics) {
		return err
	}
	var elsewhere error
	for _, d := range diagnostics {
		if d.Severity != config.Error {
			continue
		}
		if d.File != "" && d.Server != server && filepath.Base(d.File) != server+".hcl" {
			elsewhere = cmp.Or(elsewhere, fmt.Errorf("%w: mend it first: %s", ErrBroken, plainly(d)))
			continue
		}
		text := guideNames(d.Message)
		if d.Remedy != "" {
			text += ": " + guideNames(d.Remedy)
		}
		return &fieldError{cmp.Or(fieldNames[d.Field], fieldNames[hclName.FindString(d.Message)]), text}
	}
	return cmp.Or(elsewhere, err)
}

// plainly is a diagnostic on one line, without what the file says there.
func plainly(d config.Diagnostic) string {
	text := fmt.Sprintf("%s:%d: %s", d.File, d.Line, d.Message)
	if d.Remedy != "" {
		text += ": " + d.Remedy
	}
	return text
}

// guideNames puts the names of the guide's JSON in the place of the configuration's.
func guideNames(text string) string {
	return hclName.ReplaceAllStringFunc(text, func(name string) string {
		if !strings.HasPrefix(name, "OAUTH_") && name != "url" { // the others are words too
			return name
		}
		return cmp.Or(fieldNames[name], name)
	})
}

// worded is an error of the engine without what an authorization server wrote, with a remedy that the API has.
func worded(err error) error {
	var e *engine.Error
	if !errors.As(err, &e) || errors.Is(err, engine.ErrNoLogin) {
		return err
	}
	text, remedy := reasonAndRemedy(e)
	if remedy != "" {
		text += ": " + remedy
	}
	return &theirs{fmt.Sprintf("server %q: %s", e.Server, text)}
}

// reasonAndRemedy are those of an error of the engine, for callers of the API. Of an address out of reach the refusal itself
// is told: it is in words of ours, and knows which setting would allow it.
func reasonAndRemedy(e *engine.Error) (reason, remedy string) {
	var refusal interface {
		error
		Is(target error) bool
	}
	if errors.As(e.Err, &refusal) && refusal.Is(oauth.ErrOutOfReach) {
		return guideNames(e.Reason), refusal.Error()
	}
	return guideNames(e.Reason), remedyOf(e.Server, e.Remedy)
}

// remedyOf words a remedy for callers of the API.
func remedyOf(server, remedy string) string {
	again := "sign in: POST /api/mcp/client/" + server + "/reauthorize"
	refresh := "POST /api/servers/" + server + "/refresh"
	return guideNames(strings.NewReplacer(
		"run `bearerd login "+server+"`", again, "run `bearerd refresh "+server+"`", refresh).Replace(remedy))
}
