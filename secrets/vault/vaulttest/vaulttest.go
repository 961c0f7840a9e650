// Package vaulttest starts real Vault processes for tests, and stands between a client and Vault to make faults. It knows
// Vault's HTTP API alone: it may not import the Vault client, nor any other package of this tree, so that what is tested
// cannot help to test itself.
package vaulttest

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
)

// Server is one Vault process with an empty KV v2 engine at secret/ and a KV v1 engine at kv1/. Its methods end the test
// t that Start got when they fail; so, DoErr apart, they belong on that test's goroutine.
type Server struct {
	Addr      string // of the plain listener: http://127.0.0.1:PORT
	TLSAddr   string // of the TLS listener, which asks for a client certificate and does not insist on one
	CAFile    string // PEM, the authority of TLSAddr
	RootToken string

	t           testing.TB
	bin, folder string
	key         string // unseals

	mu sync.Mutex
	p  *process // nil after Kill
}

// Start runs a Vault until t ends: $VAULT_BIN (absolute), else vault on PATH, else what make vaultdev has built. It is
// initialised and unsealed, and keeps its data in files, so that it outlives Kill and Restart. With -short t is skipped.
func Start(t testing.TB) *Server {
	t.Helper()
	if testing.Short() {
		t.Skip("a test on a real Vault, left out by -short")
	}
	s := &Server{t: t, bin: binary(t), folder: t.TempDir()}
	t.Cleanup(s.end)
	s.CAFile = filepath.Join(s.folder, "ca.pem")
	if err := writeCertificates(s.folder); err != nil {
		t.Fatal(err)
	}
	var err error
	for range 5 { // another process may take a free port before Vault does
		if err = s.configure(); err != nil {
			t.Fatal(err)
		}
		if err = s.launch(); !errors.Is(err, errEnded) {
			break
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	s.initialise()
	return s
}

// binary finds the Vault program.
func binary(t testing.TB) string {
	t.Helper()
	if bin := os.Getenv("VAULT_BIN"); bin != "" {
		if _, err := exec.LookPath(bin); err != nil {
			t.Fatalf("VAULT_BIN: %v; it must be the absolute path of a Vault program", err)
		}
		return bin
	}
	if bin, err := exec.LookPath("vault"); err == nil {
		return bin
	}
	_, here, _, _ := runtime.Caller(0)
	wd, _ := os.Getwd()
	for _, dir := range []string{filepath.Dir(here), wd} {
		for ; dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
			bin := filepath.Join(dir, "testdata", "vaultdev", "vaultdev")
			if _, err := os.Stat(bin); err == nil {
				return bin
			}
		}
	}
	t.Fatal("no Vault for the tests: run `make vaultdev`, or set VAULT_BIN to a Vault program, or leave it out with -short")
	return ""
}

// configure picks free ports and writes Vault's configuration.
func (s *Server) configure() error {
	plain, err := freePort()
	if err != nil {
		return err
	}
	secure, err := freePort()
	if err != nil {
		return err
	}
	s.Addr, s.TLSAddr = "http://"+plain, "https://"+secure
	type m = map[string]any
	raw, err := json.Marshal(m{
		"storage": m{"file": m{"path": filepath.Join(s.folder, "data")}},
		"listener": []m{
			{"tcp": m{"address": plain, "tls_disable": true}},
			{"tcp": m{"address": secure, "tls_cert_file": s.path("server.pem"), "tls_key_file": s.path("server.key")}},
		},
		"disable_mlock": true,
		"api_addr":      s.Addr,
	})
	if err != nil {
		return err
	}
	return os.WriteFile(s.path("vault.json"), raw, 0o600)
}

func (s *Server) path(name string) string { return filepath.Join(s.folder, name) }

var nextPort atomic.Int64

// freePort is one below those that systems hand out by themselves, and never the same again: the port of a killed Vault
// is wanted by nobody else until it is restarted.
func freePort() (string, error) {
	nextPort.CompareAndSwap(0, int64(10000+os.Getpid()%9000))
	for range 1000 {
		address := net.JoinHostPort("127.0.0.1", strconv.FormatInt(nextPort.Add(1), 10))
		if ln, err := net.Listen("tcp", address); err == nil {
			return address, ln.Close()
		}
	}
	return "", errors.New("no port is free")
}

// Seal seals Vault; every request but those that unseal it is then answered with 503.
func (s *Server) Seal() {
	s.t.Helper()
	s.Do("PUT", "sys/seal", nil)
}

// Unseal unseals Vault and waits until its engines serve.
func (s *Server) Unseal() {
	s.t.Helper()
	s.Do("PUT", "sys/unseal", map[string]any{"key": s.key})
	s.settle()
}

// Kill ends Vault by SIGKILL and waits until it is gone.
func (s *Server) Kill() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.p != nil {
		s.p.kill()
		s.p = nil
	}
}

// Restart ends Vault in order, where it runs, and starts it at the same addresses with the same data, unsealed.
func (s *Server) Restart() {
	s.t.Helper()
	s.mu.Lock()
	if s.p != nil {
		s.p.stop()
		s.p = nil
	}
	s.mu.Unlock()
	var err error
	for range 5 { // a connection that goes out may hold the port for a moment
		if err = s.launch(); !errors.Is(err, errEnded) {
			break
		}
	}
	if err != nil {
		s.t.Fatal(err)
	}
	s.Unseal()
}

func (s *Server) launch() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	p, err := startProcess(s.bin, s.folder)
	if err != nil {
		return err
	}
	if err := p.await(s.Addr + "/v1/sys/seal-status"); err != nil {
		p.kill()
		return fmt.Errorf("%w\n%s", err, s.log())
	}
	s.p = p
	return nil
}

func (s *Server) end() {
	s.Kill()
	if s.t.Failed() {
		s.t.Logf("the end of Vault's log:\n%s", s.log())
	}
}

func (s *Server) log() string {
	raw, _ := os.ReadFile(s.path("vault.log"))
	return string(raw[max(0, len(raw)-4000):])
}
