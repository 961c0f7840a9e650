package admin

import (
	"net/http"

	webpage "bearerd/cmd/internal/page"
)

// who may call a route.
type who int

const (
	keyed   who = iota // whoever has the admin key or a session
	scraper            // the same, and whoever has the metrics key
	open               // any process of this host
	asset              // the same, and whoever reaches the public host: a file that holds nothing of a server
	visitor            // a browser on its way to a provider or back: under the public host too
	local              // the unix socket alone: it shows a token, tells whether a secret was guessed, or reads what the caller names
)

// route is one request that is answered.
type route struct {
	pattern string
	who     who
	handler http.HandlerFunc
}

func (a *API) routes() []route {
	pages := webpage.Handler().ServeHTTP
	return []route{
		{"GET /{$}", open, pages},
		{"GET /assets/{file}", open, pages},
		{"GET /assets/done.js", asset, pages},
		{"GET /livez", open, alive},
		{"GET /readyz", open, a.ready},
		{"GET /metrics", scraper, a.prometheus()},
		{"POST /api/session", keyed, a.beginSession},
		{"DELETE /api/session", keyed, a.endSession},
		{"GET /api/status", keyed, a.status},
		{"GET /api/metrics", keyed, a.metrics},
		{"GET /api/events", keyed, a.events},
		{"GET /api/openapi.json", open, describe},
		{"GET /api/servers/{name}/token", local, a.token},
		{"POST /api/servers/{name}/refresh", keyed, a.refresh},
		{"POST /api/servers/{name}/invalidate", keyed, a.on(a.invalidate)},
		{"POST /api/servers/{name}/revoke", keyed, a.on(a.revoke)},
		{"POST /api/servers/{name}/logout", keyed, a.on(a.logout)},
		{"GET /api/servers/{name}/login", local, a.on(a.redirect)},
		{"POST /api/servers/{name}/login", local, a.on(a.beginLogin)},
		{"DELETE /api/servers/{name}/login", local, a.on(a.endLogin)},
		{"POST /api/servers/{name}/callback", local, a.on(a.finishLogin)},
		{"POST /api/servers/{name}/device", local, a.on(a.beginDevice)},
		{"POST /api/servers/{name}/device/token", local, a.on(a.finishDevice)},
		{"GET /api/servers/{name}/key/{client}", keyed, a.key},
		{"POST /api/keys/rotate", keyed, a.rotateKeys},
		{"POST /api/reload", keyed, a.reload},
		{"GET /api/plan", local, a.plan},
		{"GET /api/secrets", keyed, a.listSecrets},
		{"PUT /api/secrets/{name}", keyed, a.setSecret},
		{"DELETE /api/secrets/{name}", keyed, a.removeSecret},
		{"POST /api/secrets/{name}/compare", local, a.compareSecret},
		{"POST /api/mcp/client", keyed, a.createClient},
		{"GET /api/mcp/clients", keyed, a.listClients},
		{"GET /api/mcp/client/{id}", keyed, a.showClient},
		{"PUT /api/mcp/client/{id}", keyed, a.changeClient},
		{"DELETE /api/mcp/client/{id}", keyed, a.removeClient},
		{"POST /api/mcp/client/{id}/complete-oauth", keyed, a.completeOAuth},
		{"POST /api/mcp/client/{id}/reauthorize", keyed, a.reauthorize},
		{"GET /api/oauth/config/{id}/status", keyed, a.oauthStatus},
		{"DELETE /api/oauth/config/{id}", keyed, a.removeOAuth},
		{"GET " + callbackPath, visitor, a.callback},
		{"GET " + donePath, visitor, a.done},
		{"GET " + startPath + "{ticket}", visitor, a.start},
	}
}
