// Command vaultdev is HashiCorp Vault's own core and HTTP API, for tests, started as Vault is:
//
//	vaultdev server -config=FILE
//
// It carries the secrets engine kv and the auth methods approle, cert, jwt, kubernetes and token. Leaving the other
// plugins out cuts the build from half an hour to a few minutes. It may not add behaviour of its own: a test that passes
// here must pass on the real program.
package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	log "github.com/hashicorp/go-hclog"
	jwtauth "github.com/hashicorp/vault-plugin-auth-jwt"
	kubeauth "github.com/hashicorp/vault-plugin-auth-kubernetes"
	kv "github.com/hashicorp/vault-plugin-secrets-kv"
	"github.com/hashicorp/vault/builtin/credential/approle"
	"github.com/hashicorp/vault/builtin/credential/cert"
	vaulthttp "github.com/hashicorp/vault/http"
	"github.com/hashicorp/vault/internalshared/configutil"
	"github.com/hashicorp/vault/sdk/helper/consts"
	"github.com/hashicorp/vault/sdk/logical"
	"github.com/hashicorp/vault/sdk/physical"
	"github.com/hashicorp/vault/sdk/physical/file"
	"github.com/hashicorp/vault/sdk/physical/inmem"
	"github.com/hashicorp/vault/vault"
)

var credentials = map[string]logical.Factory{
	"approle":    approle.Factory,
	"cert":       cert.Factory,
	"jwt":        jwtauth.Factory,
	"kubernetes": kubeauth.Factory,
}

var engines = map[string]logical.Factory{"kv": kv.Factory}

// registry tells the plugin catalog what is built in.
type registry struct{}

func (registry) factories(t consts.PluginType) map[string]logical.Factory {
	switch t {
	case consts.PluginTypeCredential:
		return credentials
	case consts.PluginTypeSecrets:
		return engines
	}
	return nil
}

func (r registry) Contains(name string, t consts.PluginType) bool {
	_, ok := r.factories(t)[name]
	return ok
}

func (r registry) Get(name string, t consts.PluginType) (func() (any, error), bool) {
	f, ok := r.factories(t)[name]
	return func() (any, error) { return f, nil }, ok
}

func (r registry) Keys(t consts.PluginType) (names []string) {
	for name := range r.factories(t) {
		names = append(names, name)
	}
	return names
}

func (r registry) DeprecationStatus(name string, t consts.PluginType) (consts.DeprecationStatus, bool) {
	return consts.Supported, r.Contains(name, t)
}

func (registry) IsBuiltinEntPlugin(string, consts.PluginType) bool { return false }

// config is the part of Vault's configuration, in its JSON form, that the tests use. Any other name is refused.
type config struct {
	Storage struct {
		File  *struct{ Path string } `json:"file"`
		Inmem *struct{}              `json:"inmem"`
	} `json:"storage"`
	Listener     []struct{ TCP listener } `json:"listener"`
	DisableMlock bool                     `json:"disable_mlock"`
	APIAddr      string                   `json:"api_addr"`
}

type listener struct {
	Address     string `json:"address"`
	TLSDisable  bool   `json:"tls_disable"`
	TLSCertFile string `json:"tls_cert_file"`
	TLSKeyFile  string `json:"tls_key_file"`
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "vaultdev:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	flags := flag.NewFlagSet("vaultdev server", flag.ContinueOnError)
	path := flags.String("config", "", "JSON `file` in the form of Vault's own configuration")
	if len(args) == 0 || args[0] != "server" {
		return errors.New("usage: vaultdev server -config=FILE")
	}
	if err := flags.Parse(args[1:]); err != nil {
		return err
	}
	c, err := load(*path)
	if err != nil {
		return fmt.Errorf("%s: %w", *path, err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return serve(ctx, c)
}

func load(path string) (c config, err error) {
	f, err := os.Open(path)
	if err != nil {
		return c, err
	}
	defer f.Close()
	d := json.NewDecoder(f)
	d.DisallowUnknownFields()
	if err := d.Decode(&c); err != nil {
		return c, err
	}
	if (c.Storage.File == nil) == (c.Storage.Inmem == nil) {
		return c, errors.New(`storage: one of "file" and "inmem" must be given`)
	}
	if len(c.Listener) == 0 || !c.DisableMlock {
		return c, errors.New(`a "listener" and "disable_mlock": true must be given`)
	}
	return c, nil
}

func serve(ctx context.Context, c config) error {
	logger := log.New(&log.LoggerOptions{Level: log.Info, Output: os.Stderr})
	backend, err := storage(c, logger)
	if err != nil {
		return fmt.Errorf("storage: %w", err)
	}
	core, err := vault.NewCore(&vault.CoreConfig{
		Physical:           backend,
		LogicalBackends:    engines,
		CredentialBackends: credentials,
		BuiltinRegistry:    registry{},
		Logger:             logger,
		DisableMlock:       true,
		RedirectAddr:       c.APIAddr,
	})
	if err != nil {
		return fmt.Errorf("core: %w", err)
	}
	ended := make(chan error, len(c.Listener))
	for _, l := range c.Listener {
		srv, ln, err := listen(core, l.TCP)
		if err != nil {
			return fmt.Errorf("listener %s: %w", l.TCP.Address, err)
		}
		defer srv.Close()
		go func() { ended <- srv.Serve(ln) }()
	}
	select {
	case err = <-ended:
	case <-ctx.Done():
	}
	return errors.Join(err, core.Shutdown())
}

func storage(c config, logger log.Logger) (physical.Backend, error) {
	if c.Storage.File == nil {
		return inmem.NewInmem(nil, logger)
	}
	return file.NewFileBackend(map[string]string{"path": c.Storage.File.Path}, logger)
}

// listen binds the address. With TLS it asks for a client's certificate and does not insist on one, as Vault does.
func listen(core *vault.Core, l listener) (*http.Server, net.Listener, error) {
	srv := &http.Server{
		Handler: vaulthttp.Handler.Handler(&vault.HandlerProperties{
			Core:           core,
			ListenerConfig: &configutil.Listener{Type: "tcp", Address: l.Address, TLSDisable: l.TLSDisable},
		}),
		ReadHeaderTimeout: 10 * time.Second,
	}
	ln, err := net.Listen("tcp", l.Address)
	if err != nil || l.TLSDisable {
		return srv, ln, err
	}
	pair, err := tls.LoadX509KeyPair(l.TLSCertFile, l.TLSKeyFile)
	if err != nil {
		return nil, nil, errors.Join(err, ln.Close())
	}
	return srv, tls.NewListener(ln, &tls.Config{
		Certificates: []tls.Certificate{pair},
		ClientAuth:   tls.RequestClientCert,
		NextProtos:   []string{"h2", "http/1.1"},
	}), nil
}
