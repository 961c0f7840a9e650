package admin

import (
	"net/http"

	"bearerd/inject/proxy"
)

// ConfigHeader carries the digest of the configuration in force, so that a command can tell that it has read another.
const ConfigHeader = "Bearerd-Config"

// Handler serves every command. Whoever reaches it may do anything: it belongs behind a 0600 socket.
func (a *API) Handler() http.Handler {
	mux := http.NewServeMux()
	for _, r := range a.routes() {
		mux.HandleFunc(r.pattern, r.handler)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set(ConfigHeader, a.Config().Digest())
		mux.ServeHTTP(w, r)
	})
}

// Public serves what may be reached over TCP.
func (a *API) Public() http.Handler {
	mux := http.NewServeMux()
	for _, r := range a.routes() {
		if r.who == open || r.who == scraper {
			mux.HandleFunc(r.pattern, r.handler)
		}
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !proxy.LoopbackHost(r.Host) {
			word(w, http.StatusForbidden, "forbidden")
			return
		}
		mux.ServeHTTP(w, r)
	})
}
