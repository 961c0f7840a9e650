package engine

import (
	"testing"
	"testing/synctest"
	"time"

	"bearerd/config"
	"bearerd/engine/oauth/oauthtest"
)

const clientDocument = "https://client.example/oauth.json"

// A grant stays with the client that it was given to, whatever the authorization server takes of new ones.
func TestAGrantKeepsItsClientWhileClientDocumentsComeAndGo(t *testing.T) {
	for name, first := range map[string]bool{"they come": false, "they go": true} {
		t.Run(name, func(t *testing.T) {
			as, rs := protected(t)
			as.Register(oauthtest.Client{ID: clientDocument, Methods: []string{oauthtest.None}, RedirectURIs: []string{defaultRedirect}})
			supported := func(yes bool) {
				as.EditMetadata(func(d map[string]any) { d["client_id_metadata_document_supported"] = yes })
			}
			supported(first)
			synctest.Test(t, func(t *testing.T) {
				server := delegated(rs)
				server.OAuth.ClientMetadataURL = clientDocument
				b := start(t, server)
				signIn(t, as, b.source(t, "a"))
				id := forms(as, "authorization_code")[0].Get("client_id")
				if (id == clientDocument) != first {
					t.Fatalf("the client is %q", id)
				}
				server = delegated(rs)
				server.OAuth.ClientMetadataURL, server.OAuth.Scope = clientDocument, "read" // an edit that ends no grant
				b.Prepare(&config.Config{Servers: []*config.Server{server}}).Commit()
				for i := range 3 {
					supported(first != (i%2 == 0))
					time.Sleep(metadataLife + time.Hour)
					b.token(t, "a")
				}
				for _, form := range forms(as, "refresh_token") {
					if got := form.Get("client_id"); got != id {
						t.Errorf("%q renews what %q was given", got, id)
					}
				}
				b.Close()
			})
		})
	}
}

// A sign-in goes by what the authorization server takes now, from the browser to the exchange.
func TestASignInHasOneClientWhenClientDocumentsComeOrGo(t *testing.T) {
	for name, first := range map[string]bool{"they come": false, "they go": true} {
		t.Run(name, func(t *testing.T) {
			as, rs := protected(t)
			as.Register(oauthtest.Client{ID: clientDocument, Methods: []string{oauthtest.None}, RedirectURIs: []string{defaultRedirect}})
			supported := func(yes bool) {
				as.EditMetadata(func(d map[string]any) { d["client_id_metadata_document_supported"] = yes })
			}
			supported(first)
			synctest.Test(t, func(t *testing.T) {
				server := delegated(rs)
				server.OAuth.ClientMetadataURL = clientDocument
				b := start(t, server)
				signIn(t, as, b.source(t, "a"))
				supported(!first)
				time.Sleep(2 * metadataPause)
				l := beginLogin(t, b.source(t, "a"))
				if got := param(t, l.URL, "client_id"); (got == clientDocument) == first {
					t.Errorf("the person is sent as %q", got)
				}
				if _, err := b.source(t, "a").FinishLogin(t.Context(), visit(t, as, l.URL)); err != nil {
					t.Error(err)
				}
				b.renew(t, "a")
				b.Close()
			})
		})
	}
}
