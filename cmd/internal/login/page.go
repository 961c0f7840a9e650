package login

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"html"
	"net/http"
	"strings"
)

// Text is what a page says. All of it is escaped.
type Text struct{ Title, Says, Next string }

func signedIn(server string) Text {
	return Text{"Signed in", "bearerd may now act for you at " + server + ".", "You can close this page."}
}

func failed(server string, err error) Text {
	again := "To try again, run: bearerd login " + server
	if strings.Contains(err.Error(), "bearerd login "+server) {
		again = "You can close this page."
	}
	return Text{"The sign-in has failed", err.Error(), again}
}

func stranger(server string) Text {
	return Text{"Not the sign-in that is under way", "This is not the sign-in that is under way. It has changed nothing.",
		"If you are signing in for " + server + ", go on in the page that was opened last."}
}

const style = `body{font:1.1rem/1.5 system-ui,sans-serif;max-width:36rem;margin:15vh auto;padding:0 1rem;overflow-wrap:anywhere}` +
	`@media(prefers-color-scheme:dark){body{background:#181818;color:#ddd}}`

// layout takes a title, two texts, the style, and what else the head has. html/template would make the program a quarter larger.
const layout = `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>%[1]s - bearerd</title>
<style>%[4]s</style>%[5]s
</head>
<body>
<h1>%[1]s</h1>
<p>%[2]s</p>
<p>%[3]s</p>
</body>
</html>
`

// policy lets a page load nothing and run nothing: only its own style counts.
var policy = func() string {
	sum := sha256.Sum256([]byte(style))
	return "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) +
		"'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
}()

// Show answers with a page that loads nothing. script, if not empty, is the path of one of our own that it runs.
func Show(w http.ResponseWriter, status int, t Text, script string) {
	h, head := w.Header(), ""
	protect(h)
	if script != "" {
		h.Set("Content-Security-Policy", policy+"; script-src 'self'")
		head = "\n<script src=\"" + html.EscapeString(script) + "\" defer></script>"
	}
	h.Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = fmt.Fprintf(w, layout, html.EscapeString(t.Title), html.EscapeString(t.Says), html.EscapeString(t.Next), style, head)
}

// protect sets what a browser is to keep to with any answer.
func protect(h http.Header) {
	h.Set("Content-Security-Policy", policy)
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Frame-Options", "DENY")
	h.Set("X-Content-Type-Options", "nosniff")
}

func (d *desk) page(w http.ResponseWriter, status int, t Text) {
	d.headers(w)
	Show(w, status, t, "")
	_ = http.NewResponseController(w).Flush()
}
