package admin

import (
	_ "embed"
	"net/http"
)

// openAPI describes the requests that are answered over TCP. A test compares it with the routes, the types and real
// answers.
//
//go:embed openapi.json
var openAPI []byte

func describe(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(openAPI)
}
