package admin

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"bearerd/cmd/internal/audit"
	"bearerd/inject/proxy"
)

// ConfigHeader carries the digest of the configuration in force, so that a command can tell that it has read another.
const ConfigHeader = "Bearerd-Config"

// maxRequest bounds what a request over TCP may bring.
const maxRequest = 64 << 10

// Handler serves every command on behalf of the request's audit.Actor. Whoever reaches it may do anything: it belongs
// behind a 0600 socket.
func (a *API) Handler() http.Handler {
	mux := http.NewServeMux()
	for _, r := range a.routes() {
		mux.HandleFunc(r.pattern, a.audited(r))
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set(ConfigHeader, a.Config().Digest())
		mux.ServeHTTP(w, r)
	})
}

// Public serves what may be reached over TCP: under a name of this machine whoever has a key, under that of public_url the
// browsers that sign in. No header of a reverse proxy is looked at.
func (a *API) Public() http.Handler {
	here, outside := http.NewServeMux(), http.NewServeMux()
	for _, r := range a.routes() {
		here.HandleFunc(r.pattern, a.guarded(r))
		if r.who == visitor || r.who == asset {
			outside.HandleFunc(r.pattern, a.guarded(r))
		}
	}
	inside := a.sameSite(here)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		secure(w.Header())
		switch _, known := outside.Handler(r); {
		case len(r.URL.RawQuery) > maxAnswer:
			deny(w, http.StatusRequestURITooLong, "the query is longer than 16 KiB")
		case proxy.LoopbackHost(r.Host):
			inside.ServeHTTP(w, r)
		case !a.publicHost(r.Host):
			a.refuse(w, http.StatusForbidden, "", "this Host is neither a loopback address nor that of public_url")
		case known == "":
			w.WriteHeader(http.StatusNotFound)
		default:
			outside.ServeHTTP(w, r)
		}
	})
}

// Metrics serves the listener for /metrics and health alone. On loopback only a name of this machine may be its Host; it
// wants a key if metrics_key is set.
func (a *API) Metrics() http.Handler {
	mux := http.NewServeMux()
	for _, r := range a.routes() {
		switch {
		case r.who == scraper && a.MetricsKey != nil, r.who == open && slices.Contains(health, r.pattern):
			mux.HandleFunc(r.pattern, a.guarded(r))
		case r.who == scraper:
			mux.HandleFunc(r.pattern, r.handler)
		}
	}
	inside := a.sameSite(mux)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		secure(w.Header())
		if proxy.LoopbackHost(a.Config().Admin.MetricsListen) && !proxy.LoopbackHost(r.Host) {
			a.refuse(w, http.StatusForbidden, "", "this Host is not a loopback address")
			return
		}
		inside.ServeHTTP(w, r)
	})
}

// health are the open routes that metrics_listen serves.
var health = []string{"GET /livez", "GET /readyz"}

// publicHost reports whether a Host header is that of public_url. Browsers leave out the port that a scheme implies.
func (a *API) publicHost(host string) bool {
	u, err := url.Parse(a.Config().Admin.PublicURL)
	if err != nil || u.Host == "" {
		return false
	}
	if u.Scheme == "https" {
		u.Host = strings.TrimSuffix(u.Host, ":443")
	}
	return strings.EqualFold(host, u.Host)
}

// secure sets what every answer says to browsers. A handler may set its own over it.
func secure(h http.Header) {
	h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "+
		"img-src 'self' data:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cross-Origin-Opener-Policy", "same-origin-allow-popups")
	h.Set("Cache-Control", "no-store")
}

// sameSite refuses the unsafe requests of other sites' pages.
func (a *API) sameSite(next http.Handler) http.Handler {
	p := http.NewCrossOriginProtection()
	p.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		a.refuse(w, http.StatusForbidden, "", otherSite)
	}))
	return p.Handler(next)
}

const otherSite = "the request comes from a page of another site"

// guarded has a route answer those whom it is for.
func (a *API) guarded(r route) http.HandlerFunc {
	next := a.audited(r)
	return func(w http.ResponseWriter, req *http.Request) {
		switch {
		case r.who == open || r.who == asset:
			next(w, req)
		case r.who == visitor:
			a.visit(w, req, r, next)
		case fromOtherSite(req):
			a.refuse(w, http.StatusForbidden, r.pattern, otherSite)
		case r.who == local:
			a.refuse(w, http.StatusForbidden, r.pattern, "this is answered on the unix socket alone: use the bearerd command")
		default:
			a.admit(w, req, r, next)
		}
	}
}

// admit lets in whoever has a key.
func (a *API) admit(w http.ResponseWriter, req *http.Request, r route, next http.HandlerFunc) {
	key := shownKey(req)
	if key == "" {
		a.unauthorized(w, r, "a key is needed as Authorization: Bearer KEY: `bearerd admin-key` prints it")
		return
	}
	actor, err := a.actor(req.Context(), key, r.who)
	switch {
	case err != nil:
		if a.Log != nil && a.unreadable.take(1) { // who has no key is told no path and no address
			a.Log.Warn("/metrics cannot be had with metrics_key", "error", err)
		}
		a.refuse(w, http.StatusServiceUnavailable, r.pattern, "metrics_key cannot be read now: see the log of bearerd")
	case actor == "" && !a.brake.hold(req.Context()):
		w.Header().Set("Connection", "close")
		w.Header().Set("Retry-After", "5")
		a.refuse(w, http.StatusTooManyRequests, r.pattern, "too many wrong keys at once")
	case actor == "":
		a.unauthorized(w, r, "this key is wrong, or its session has ended: `bearerd admin-key` prints the key")
	case whole(w, req):
		ctx, end := a.sessions.bind(audit.WithActor(req.Context(), actor), digestOf(key))
		defer end()
		next(w, req.WithContext(ctx))
	}
}

func (a *API) unauthorized(w http.ResponseWriter, r route, why string) {
	w.Header().Set("WWW-Authenticate", `Bearer realm="bearerd"`)
	a.refuse(w, http.StatusUnauthorized, r.pattern, why)
}

// visit lets in a browser that goes from one site to the next, but no page that only embeds or fetches the address. The
// page may not be cut off from a window that it has opened for this, or that window could not close itself.
func (a *API) visit(w http.ResponseWriter, req *http.Request, r route, next http.HandlerFunc) {
	if foreignFetch(req) && (req.Header.Get("Sec-Fetch-Mode") != "navigate" || req.Header.Get("Sec-Fetch-Dest") != "document") {
		a.refuse(w, http.StatusForbidden, r.pattern, otherSite)
		return
	}
	w.Header().Set("Cross-Origin-Opener-Policy", "unsafe-none")
	next(w, req.WithContext(audit.WithActor(req.Context(), "browser")))
}

// fromOtherSite reports whether a page of another site has sent the request, whatever its method.
func fromOtherSite(r *http.Request) bool {
	return foreignFetch(r) || slices.ContainsFunc(r.Header["Origin"], func(origin string) bool {
		return !strings.EqualFold(origin, "http://"+r.Host)
	})
}

// foreignFetch reports whether the browser says so itself (Fetch Metadata).
func foreignFetch(r *http.Request) bool {
	return slices.ContainsFunc(r.Header["Sec-Fetch-Site"], func(site string) bool {
		return site != "same-origin" && site != "none"
	})
}

// whole reads the body, so that one that is too long is refused before anything is done.
func whole(w http.ResponseWriter, r *http.Request) bool {
	b, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequest))
	switch {
	case errors.As(err, new(*http.MaxBytesError)):
		deny(w, http.StatusRequestEntityTooLarge, "the body is longer than 64 KiB")
	case err != nil:
		deny(w, http.StatusBadRequest, "the body could not be read")
	default:
		r.Body = io.NopCloser(bytes.NewReader(b))
		return true
	}
	return false
}

// deny answers with a Problem.
func deny(w http.ResponseWriter, status int, why string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(Problem{Error: why})
}
