package secrets

import "time"

// Connection is the vault block of the configuration: how to reach a Vault and log in to it. What is left out is filled
// in from the environment when the configuration is loaded, nowhere else.
type Connection struct {
	Address        string        `hcl:"address"`                      // VAULT_ADDR
	Namespace      string        `hcl:"namespace"`                    // VAULT_NAMESPACE
	Mount          string        `hcl:"mount"`                        // of the KV v2 engine that vault(…) references read; default "secret"
	CAPath         string        `hcl:"ca_path" form:"path"`          // PEM; "": the system's roots; VAULT_CACERT
	ClientCertPath string        `hcl:"client_cert_path" form:"path"` // PEM; VAULT_CLIENT_CERT
	ClientKeyPath  string        `hcl:"client_key_path" form:"path"`  // PEM; VAULT_CLIENT_KEY
	ServerName     string        `hcl:"tls_server_name"`              // VAULT_TLS_SERVER_NAME
	Timeout        time.Duration `hcl:"timeout"`                      // of one request; default 20 s

	Auth Auth
}

// Auth is the auth block inside the vault block. Which values it has follows from Method.
type Auth struct {
	Method   string // token, approle, kubernetes, jwt, cert
	Mount    string `hcl:"mount"`     // of the auth method; default: the method's name
	Token    Ref    `hcl:"token"`     // token; VAULT_TOKEN
	RoleID   Ref    `hcl:"role_id"`   // approle
	SecretID Ref    `hcl:"secret_id"` // approle
	Wrapped  bool   `hcl:"wrapped"`   // approle: SecretID is a wrapping token, unwrapped once
	Role     string `hcl:"role"`      // kubernetes, jwt; cert: may be left out
	JWT      Ref    `hcl:"jwt"`       // kubernetes (default: the pod's service account token), jwt
}
