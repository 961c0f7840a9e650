package oauth_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"html"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"bearerd/config"
	"bearerd/engine/oauth"
	"bearerd/engine/oauth/oauthtest"
	"bearerd/secrets"
)

const canary = "canary+/ %&<"

// echo answers with everything that it was sent, raw, decoded and escaped anew.
func echo(status int, contentType, format string) oauthtest.Fault {
	return func(w http.ResponseWriter, r *http.Request, _ http.Handler) {
		body, _ := io.ReadAll(r.Body)
		form, _ := url.ParseQuery(string(body))
		all := []string{string(body), r.Header.Get("Authorization"), r.Header.Get("X-Key")}
		for _, values := range form {
			all = append(all, values...)
			for _, value := range values {
				all = append(all, html.EscapeString(value), url.PathEscape(value))
			}
		}
		rand.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] }) // only 200 characters count
		sent := strings.Join(all, " ")
		if strings.HasPrefix(format, "error=") {
			sent = url.QueryEscape(sent)
		}
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(status)
		_, _ = fmt.Fprintf(w, format, sent)
	}
}

// faults are all that a server can do wrong here.
func faults() map[string]oauthtest.Fault {
	edit := func(name string, value any) oauthtest.Fault {
		return oauthtest.Edit(func(a map[string]any) { a[name] = value; a["access_token"] = canary + "token" })
	}
	return map[string]oauthtest.Fault{
		"JSON error":      echo(401, "application/json", `{"error":"invalid_client","error_description":"%s"}`),
		"JSON error 200":  echo(200, "application/json", `{"error":"%[1]s","access_token":"%[1]s"}`),
		"form error":      echo(400, "application/x-www-form-urlencoded", "error=x&error_description=%s"),
		"HTML":            echo(503, "text/html", "<p>%s"),
		"HTML 200":        echo(200, "text/html", "<p>%s"),
		"broken JSON":     echo(200, "application/json", `{"access_token":"%s`),
		"token with gaps": echo(200, "application/json", `{"access_token":"%s"}`),
		"token type":      edit("token_type", canary+"token"),
		"scope":           edit("scope", canary+"token"),
		"expired":         edit("expires_in", -1),
		"form":            oauthtest.AsForm(),
		"text":            oauthtest.AsText(),
		"none":            oauthtest.Edit(func(map[string]any) {}),
		"redirect":        oauthtest.Redirect(307, "https://x.example/?a="+url.QueryEscape(canary+"secret")),
		"bad redirect":    oauthtest.Redirect(302, "https://%zz/"+canary+"secret"),
		"429":             oauthtest.TooMany("1"),
		"reset":           oauthtest.Reset(),
		"hang":            oauthtest.Hang(),
		"raw": func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
			conn, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				return
			}
			_, _ = io.WriteString(conn, canary+"secret is no HTTP\r\n\r\n")
			_ = conn.Close()
		},
	}
}

func TestNoSecretInAnyErrorOrLog(t *testing.T) {
	for name, fault := range faults() {
		for _, basic := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, basic %v", name, basic), func(t *testing.T) {
				s, c := newServer(t)
				canaryConfig(s, c, basic)
				s.Fail(3, fault)
				var out bytes.Buffer
				log := slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}))
				token := secrets.New(canary + "token")
				shown := func(err error) {
					fmt.Fprintf(&out, "\n%v %+v %#v %q\n", err, err, err, err)
					log.Error("shown", "err", err)
				}
				shown(exchange(t, func(ctx context.Context) error {
					got, err := oauth.ClientCredentials(ctx, log, target(c), &secrets.Resolver{}, testID)
					if err == nil {
						token = got.AccessToken
					}
					log.Info("shown", "token", got)
					return err
				}))
				shown(exchange(t, func(ctx context.Context) error {
					return oauth.Revoke(ctx, log, target(c), &secrets.Resolver{}, token, "access_token", testID)
				}))
				shown(exchange(t, func(ctx context.Context) error {
					got, err := oauth.RefreshToken(ctx, log, target(c), &secrets.Resolver{}, secrets.New(canary+"refresh"), testID, nil)
					log.Info("shown", "token", got)
					return err
				}))
				if !strings.Contains(out.String(), "OAuth exchange") {
					t.Error("nothing was logged")
				}
				basic := base64.StdEncoding.EncodeToString([]byte("client-123:canary"))
				for _, value := range []string{"canary", token.Reveal(), basic[:20]} {
					if _, after, found := strings.Cut(out.String(), value); found {
						t.Errorf("%q is shown, before %.200q", value, after)
					}
				}
			})
		}
	}
}

func canaryConfig(s *oauthtest.Server, c *config.OAuth, basic bool) {
	s.Register(oauthtest.Client{ID: "client-123", Secret: canary + "secret"})
	c.ClientSecret, c.UseBasicAuth = secrets.LiteralRef(canary+"secret"), &basic
	c.Scope = "read"
	c.AdditionalParams = map[string]secrets.Ref{"realm": secrets.LiteralRef(canary + "param")}
	c.CustomHeaders = map[string]secrets.Ref{"X-Key": secrets.LiteralRef(canary + "header")}
	c.TokenURL += "?key=" + url.QueryEscape(canary)
	c.RevocationURL += "?key=" + url.QueryEscape(canary)
}

func exchange(t *testing.T, do func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	return do(ctx)
}
