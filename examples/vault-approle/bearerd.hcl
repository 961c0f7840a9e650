# Secrets in Vault, and tokens shared by all hosts that use this file. SETUP.md beside it sets Vault up.

vault {
  address = "https://vault.example.com:8200"
  auth "approle" {
    role_id   = credential("vault-role-id")
    secret_id = credential("vault-secret-id")
    # wrapped = true # when secret_id is a wrapping token
  }
}

# Tokens and the values of `bearerd secret` in Vault, at secret/bearerd. Without it they stay on each host.
store "vault" {}

# Client credentials. The secret is read for each token request.
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

# A refresh token that somebody got once. The one in Vault starts the chain; the newest is kept at secret/bearerd.
server "mail" {
  url = "https://mail.example.com/mcp"
  oauth_config {
    enabled             = true
    OAUTH_VERSION       = "2.1"
    OAUTH_GRANT_TYPE    = "refresh_token"
    OAUTH_CLIENT_ID     = "client-456"
    OAUTH_CLIENT_SECRET = vault("mcp/mail", "client_secret")
    OAUTH_REFRESH_TOKEN = vault("mcp/mail", "refresh_token")
    OAUTH_TOKEN_URL     = "https://auth.example.com/oauth/token"
  }
}
