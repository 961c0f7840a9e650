package main_test

import (
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"bearerd/cmd/internal/doctor"
)

// asked is a JSON-RPC request.
type asked struct {
	ID     json.RawMessage
	Method string
}

// answers serves an MCP server that answers a method with this result; "": with the error that there is no such method, as HTTP
// 404. tls says with the certificate that the home trusts.
func (w *ward) answers(tls bool, before func(http.ResponseWriter, *http.Request) bool, result func(method string) string) string {
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if before != nil && before(rw, r) {
			return
		}
		var m asked
		if r.Method != http.MethodPost || json.NewDecoder(r.Body).Decode(&m) != nil {
			rw.WriteHeader(http.StatusMethodNotAllowed)
			return
		}
		rw.Header().Set("Content-Type", "application/json")
		switch text := result(m.Method); {
		case m.ID == nil:
			rw.WriteHeader(http.StatusAccepted)
		case text == "":
			rw.WriteHeader(http.StatusNotFound)
			_, _ = fmt.Fprintf(rw, `{"jsonrpc":"2.0","id":%s,"error":{"code":-32601,"message":"Method not found"}}`, m.ID)
		default:
			_, _ = fmt.Fprintf(rw, `{"jsonrpc":"2.0","id":%s,"result":%s}`, m.ID, text)
		}
	}))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	if tls {
		s.TLS = w.as.TLS()
		s.StartTLS()
	} else {
		s.Start()
	}
	w.t.Cleanup(func() { s.CloseClientConnections(); s.Close() })
	return s.URL + "/mcp"
}

// sessions is a server of the wire of 2025-11-25, modern one of 2026-07-28 alone.
func sessions(method string) string {
	return map[string]string{"initialize": `{"protocolVersion":"2025-11-25","serverInfo":{"name":"x"}}`, "tools/list": `{"tools":[{}]}`}[method]
}

func modern(method string) string {
	return map[string]string{"server/discover": `{"supportedVersions":["2026-07-28"]}`, "tools/list": `{"tools":[{}]}`}[method]
}

func TestDoctorKnowsOddServers(t *testing.T) {
	t.Parallel()
	stream := func(first ...string) func(http.ResponseWriter, *http.Request) bool {
		return func(rw http.ResponseWriter, r *http.Request) bool {
			if r.Method != http.MethodGet {
				rw.WriteHeader(http.StatusBadRequest)
				return true
			}
			rw.Header().Set("Content-Type", "text/event-stream")
			for _, text := range first {
				_, _ = io.WriteString(rw, text)
				_ = http.NewResponseController(rw).Flush()
				time.Sleep(20 * time.Millisecond)
			}
			<-r.Context().Done()
			return true
		}
	}
	for name, c := range map[string]struct {
		before       func(http.ResponseWriter, *http.Request) bool
		result       func(string) string
		begun, tools string // in the details
		listed       doctor.Result
	}{
		"2026-07-28, 404":    {nil, modern, "MCP 2026-07-28", "1 tool", doctor.OK},
		"a comment first":    {stream(": hi\n\n", "event: endpoint\ndata: /m\n\n"), nil, "older HTTP+SSE", "older", doctor.Skipped},
		"without a space":    {stream("retry: 3000\n\n", "event:endpoint\ndata:/m\n\n"), nil, "older HTTP+SSE", "older", doctor.Skipped},
		"a list without end": {nil, noLastPage, "MCP 2025-11-25", "comes twice", doctor.Warned},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWard(t)
			w.configure(server("s", attribute("url", w.answers(false, c.before, c.result))))
			d := w.diagnose()
			if s := d.step(t, "initialize"); s.Result != doctor.OK || !strings.Contains(s.Detail, c.begun) {
				t.Errorf("%+v", s)
			}
			if s := d.step(t, "tools/list"); s.Result != c.listed || !strings.Contains(s.Detail, c.tools) {
				t.Errorf("%+v", s)
			}
		})
	}
}

func noLastPage(method string) string {
	if method == "tools/list" {
		return `{"tools":[{}],"nextCursor":"x"}`
	}
	return sessions(method)
}

// A server of the wire without sessions that gives its tools to anybody is told of too.
func TestDoctorSeesAnOpenModernServer(t *testing.T) {
	t.Parallel()
	w := newWard(t)
	w.configure(server("s", attribute("url", w.answers(true, nil, modern)), w.credentials()))
	w.diagnose().only(t, "initialize", doctor.Warned, "without a token")
}

// The token travels as from the proxy: in the query alone, where that is configured.
func TestDoctorSendsTheTokenInTheQuery(t *testing.T) {
	t.Parallel()
	w := newWard(t)
	refuses := func(rw http.ResponseWriter, r *http.Request) bool {
		no := r.Method == http.MethodPost && (r.URL.Query().Get("access_token") == "" || r.Header.Get("Authorization") != "")
		if no {
			rw.WriteHeader(http.StatusUnauthorized)
		}
		return no
	}
	grant := strings.Replace(w.credentials("OAUTH_TOKEN_IN_HEADER_ONLY = false"), `OAUTH_VERSION = "2.1"`, `OAUTH_VERSION = "2.0"`, 1)
	w.configure(server("s", attribute("url", w.answers(true, refuses, sessions)+"?k=v"), grant))
	if s := w.diagnose().step(t, "tools/list"); s.Result != doctor.OK {
		t.Errorf("%+v", s)
	}
}

// The headers among the arguments of mcp-remote are sent too.
func TestDoctorSendsTheHeadersOfMCPRemote(t *testing.T) {
	t.Parallel()
	w := newWard(t)
	refuses := func(rw http.ResponseWriter, r *http.Request) bool {
		no := r.Method == http.MethodPost && (r.Header.Get("X-Key") != "k1" || r.Header.Get("X-Other") != "of env")
		if no {
			rw.WriteHeader(http.StatusForbidden)
		}
		return no
	}
	w.script("npx", "#!/bin/sh\n")
	w.configure(server("s", attribute("command", "npx"), `env = { OTHER = "of env" }`, attribute("args",
		[]string{"-y", "mcp-remote", w.answers(true, refuses, sessions), "--header", "X-Key:k1", "--header", "X-Other: $${OTHER}"}), w.credentials()))
	if s := w.diagnose().step(t, "tools/list"); s.Result != doctor.OK {
		t.Errorf("%+v", s)
	}
}

// A token that is held and not taken any more is renewed first; whom it is for is not the question yet.
func TestDoctorHasARevokedTokenRenewed(t *testing.T) {
	t.Parallel()
	w := newWard(t)
	w.sets(w.credentials())
	w.as.Revoke(w.token("s"))
	d := w.diagnose()
	d.only(t, "initialize", doctor.Failed, "token that is held", "bearerd refresh s")
	if s := d.step(t, "initialize"); strings.Contains(s.Remedy, "AUDIENCE") {
		t.Error(s.Remedy)
	}
	w.ok("refresh", "s")
	if s := w.diagnose().step(t, "initialize"); s.Result != doctor.OK {
		t.Errorf("%+v", s)
	}
}

// What listens and never speaks is no matter of a firewall.
func TestDoctorTellsSilenceFromAFirewall(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	for scheme, speaks := range map[string]string{"http": "HTTP: ", "https": "TLS: "} {
		t.Run(scheme, func(t *testing.T) {
			t.Parallel()
			w := newWard(t)
			w.configure(server("s", attribute("url", scheme+"://"+l.Addr().String()+"/mcp")))
			w.diagnose().only(t, "upstream", doctor.Failed, speaks, "says nothing for", "does it hang")
		})
	}
}

// A content type is shown as it is written, so that a token in it is known again.
func TestDoctorHidesATokenInAContentType(t *testing.T) {
	t.Parallel()
	w := newWard(t)
	echo := func(rw http.ResponseWriter, r *http.Request) bool {
		_, token, bearer := strings.Cut(r.Header.Get("Authorization"), " ")
		if rw.Header().Set("Content-Type", "text/"+token); !bearer {
			rw.WriteHeader(http.StatusUnauthorized)
		}
		return true
	}
	w.configure(server("s", attribute("url", w.answers(true, echo, sessions)), w.credentials()))
	token := w.token("s")
	d := w.diagnose()
	if d.only(t, "initialize", doctor.Failed, "text/["); strings.Contains(strings.ToLower(d.text), strings.ToLower(token)) {
		t.Error(d.text)
	}
}
