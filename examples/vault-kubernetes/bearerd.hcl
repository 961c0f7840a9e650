# Vault by the pod's service account. README.md beside it has Vault's side, and ../kubernetes the pod.

vault {
  address = "https://vault.vault.svc:8200" # its certificate is checked with VAULT_CACERT, which the pod sets
  auth "kubernetes" {
    role = "bearerd"
    jwt  = file("/var/run/secrets/vault/token") # projected, for the audience vault; the kubelet renews it
  }
}

# Tokens in Vault too: the pods share one for each server, and a new pod starts with it.
store "vault" {}
store "file" { path = "/var/lib/bearerd/state" }

server "tickets" {
  url = "https://mcp.example.com/mcp"
  oauth_config {
    enabled             = true
    OAUTH_VERSION       = "2.1"
    OAUTH_CLIENT_ID     = "client-123"
    OAUTH_CLIENT_SECRET = vault("mcp/tickets", "client_secret")
    OAUTH_TOKEN_URL     = "https://auth.example.com/oauth/token"
    OAUTH_SCOPE         = "read write"
  }
}
