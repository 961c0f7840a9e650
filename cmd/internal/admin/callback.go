package admin

import (
	"bytes"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"bearerd/cmd/internal/login"
	"bearerd/engine"
	"bearerd/inject/proxy"
)

// The places of a browser's way to a provider and back.
const (
	startPath    = "/oauth/start/"
	callbackPath = "/api/oauth/callback"
	donePath     = "/api/oauth/done"
	doneScript   = "/assets/done.js" // closes the window, where the page has opened it
)

// cookiePrefix and a server's name make the name of the cookie that binds a sign-in to a browser.
const cookiePrefix = proxy.OwnCookies

// maxCookies bounds how many of them are looked at. Any port of this host can set more, of any name.
const maxCookies = 256

const closePage = "You can close this page."

// start is the address that a person opens. It works once: it gives the browser a cookie and sends it to the provider.
func (a *API) start(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.Method != http.MethodGet: // a link checker's HEAD must not use it up
		w.Header().Set("Allow", http.MethodGet)
		say(w, http.StatusMethodNotAllowed, "Open this address in a browser", "It begins a sign-in, and works once.", "")
		return
	case prefetched(r.Header):
		say(w, http.StatusServiceUnavailable, "Not yet", "This address works once, so it is not loaded ahead.", "Open it.")
		return
	}
	name, ticket, _ := strings.Cut(r.PathValue("ticket"), ".")
	cookie := random()
	to, expires, err := a.useTicket(r, name, ticket, cookie)
	switch {
	case errors.Is(err, errTicketUsed), errors.Is(err, errTicketLate):
		say(w, http.StatusGone, "This link is used up", err.Error(), "Begin the sign-in again.")
	case errors.Is(err, errTicketUnknown):
		say(w, http.StatusNotFound, "This link is not valid", err.Error(), "Begin the sign-in again.")
	case errors.Is(err, errUnwritten):
		unwritten(w)
	case err != nil:
		reason, _ := failedBecause(name, err)
		say(w, http.StatusBadGateway, "The sign-in cannot begin", reason, "Begin the sign-in again.")
	default:
		http.SetCookie(w, a.cookie(name, cookie, time.Until(expires)))
		w.Header().Set("Location", to)
		w.Header().Set("Cache-Control", "no-store")
		w.WriteHeader(http.StatusSeeOther)
	}
}

// The reasons why a start address does not work.
var (
	errTicketUnknown = errors.New("no sign-in was begun with it, or another one has taken its place")
	errTicketUsed    = errors.New("this link was used already")
	errTicketLate    = errors.New("this link was not opened in time")
)

// prefetched reports a request that a browser makes before anybody has clicked.
func prefetched(h http.Header) bool {
	for _, name := range []string{"Sec-Purpose", "Purpose", "X-Purpose", "X-Moz"} {
		for _, purpose := range []string{"prefetch", "prerender", "preview"} {
			if strings.Contains(strings.ToLower(h.Get(name)), purpose) {
				return true
			}
		}
	}
	return false
}

// useTicket exchanges a ticket for the provider's address; cookie is what the answer will be known by.
func (a *API) useTicket(r *http.Request, name, ticket, cookie string) (to string, expires time.Time, err error) {
	source, err := a.Engine.Source(name)
	if !serverName.MatchString(name) || err != nil {
		return "", expires, errTicketUnknown
	}
	err = a.changeFlow(r.Context(), name, func(f *flow) error {
		switch {
		case !proves(ticket, f.Ticket):
			return errTicketUnknown
		case len(f.Cookie) > 0:
			return errTicketUsed
		case !f.open():
			return errTicketLate
		}
		if err := a.proved(r, name); err != nil {
			return err
		}
		f.Cookie, expires = hash(cookie), f.Expires
		return nil
	})
	if err != nil {
		return "", expires, err
	}
	l, err := source.BeginLogin(r.Context(), a.Redirect, false) // goes on with the one that was begun
	if err != nil {
		return "", expires, err
	}
	if u, err := url.Parse(l.URL); err != nil || u.Scheme != "http" && u.Scheme != "https" {
		return "", expires, &engine.Error{Server: name, Reason: "its authorization server has no http or https address for browsers"}
	}
	return l.URL, expires, nil
}

// cookie is sent to the callback alone, also when another site sends the browser there. An empty value deletes it.
func (a *API) cookie(server, value string, life time.Duration) *http.Cookie {
	c := &http.Cookie{
		Name: cookiePrefix + server, Value: value, Path: callbackPath, MaxAge: max(1, int(life.Seconds())),
		HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: strings.HasPrefix(a.Redirect, "https:"),
	}
	if value == "" {
		c.MaxAge = -1
	}
	return c
}

// callback takes the answer of a provider, from the browser alone that has begun. What does not belong to a sign-in changes
// nothing. Nothing of the query is shown or kept.
func (a *API) callback(w http.ResponseWriter, r *http.Request) {
	q, err := url.ParseQuery(r.URL.RawQuery)
	switch {
	case r.Method != http.MethodGet: // HEAD: a link checker must not spend the code
		w.Header().Set("Allow", http.MethodGet)
		say(w, http.StatusMethodNotAllowed, "Not an answer", "A browser brings the answer of a sign-in here.", "")
		return
	case len(r.URL.RawQuery) > maxAnswer, err != nil, len(q["state"]) != 1:
		say(w, http.StatusBadRequest, "Not an answer",
			"This is not the answer to a sign-in: it has no state. It has changed nothing.", closePage)
		return
	}
	names := a.bound(r)
	if len(names) == 0 {
		say(w, http.StatusForbidden, "Not begun in this browser",
			"This sign-in was begun in another browser, or it is over. It has changed nothing.", "Begin it again in this browser.")
		return
	}
	for _, name := range names {
		if a.answer(w, r, name) {
			return
		}
	}
	say(w, http.StatusConflict, "Not the sign-in that is under way",
		"This answers no sign-in that is under way, or it was answered already. It has changed nothing.", closePage)
}

// bound names the servers whose sign-in this browser has begun. Each of them is read once, and no other: cookies that another
// program has set hide none and cost little.
func (a *API) bound(r *http.Request) (names []string) {
	shown, seen := map[string][]string{}, 0
	for _, c := range r.Cookies() {
		name, ours := strings.CutPrefix(c.Name, cookiePrefix)
		if s := a.Config().Server(name); !ours || s == nil || s.OAuth == nil || !s.OAuth.Delegated() {
			continue
		}
		if seen++; seen > maxCookies {
			break
		}
		shown[name] = append(shown[name], c.Value)
	}
	for _, name := range slices.Sorted(maps.Keys(shown)) {
		f, _, err := a.readFlow(r.Context(), name)
		if err == nil && slices.ContainsFunc(shown[name], func(value string) bool { return proves(value, f.Cookie) }) {
			names = append(names, name)
		}
	}
	return names
}

// answer finishes the sign-in of a server with the query of r; false: it is not the answer to that.
func (a *API) answer(w http.ResponseWriter, r *http.Request, name string) bool {
	source, err := a.Engine.Source(name)
	if err != nil {
		return false
	}
	f, _, err := a.readFlow(r.Context(), name)
	if err != nil || !f.open() {
		return false
	}
	if err := a.proved(r, name); err != nil {
		unwritten(w)
		return true
	}
	_, err = source.FinishLogin(r.Context(), r.URL.RawQuery)
	if errors.Is(err, engine.ErrOtherFlow) {
		return false
	}
	a.note(r, name, f, err)
	http.SetCookie(w, a.cookie(name, "", 0))
	if err != nil {
		reason, _ := failedBecause(name, err)
		say(w, http.StatusBadGateway, "The sign-in has failed", reason, "Begin it again in bearerd. "+closePage)
		return true
	}
	w.Header().Set("Location", donePath) // so that no history keeps the code
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusSeeOther)
	return true
}

// note keeps how a sign-in has ended. Where that fails the status finds the token, or its want, by itself.
func (a *API) note(r *http.Request, name string, f *flow, failed error) {
	ctx, cancel := undoing(r.Context()) // the browser may go
	defer cancel()
	_ = a.changeFlow(ctx, name, func(now *flow) error {
		if !bytes.Equal(now.Cookie, f.Cookie) {
			return errUnchanged // another sign-in has begun
		}
		if now.Outcome = signedIn; failed != nil {
			now.Outcome = refused
			now.Reason, now.Remedy = failedBecause(name, failed)
		}
		return nil
	})
}

// done is the last page. It names nothing, as whoever asks gets it.
func (a *API) done(w http.ResponseWriter, _ *http.Request) {
	login.Show(w, http.StatusOK, login.Text{Title: "Signed in", Says: "bearerd may now act for you.", Next: closePage}, doneScript)
}

// unwritten answers a browser while the audit log takes no line.
func unwritten(w http.ResponseWriter) {
	say(w, http.StatusServiceUnavailable, "Not now", "Nothing was done, because it could not be written down.",
		"Make room for the audit log of bearerd, then load this page again.")
}

func say(w http.ResponseWriter, status int, title, says, next string) {
	login.Show(w, status, login.Text{Title: title, Says: says, Next: next}, "")
}
