# want: revoke_on_shutdown needs OAUTH_REVOCATION_URL
server "search" {
  command = "uvx"
  args = ["acme-search-mcp"]
  revoke_on_shutdown = true
  oauth_config {
    enabled             = true
    OAUTH_CLIENT_ID     = "client-123"
    OAUTH_CLIENT_SECRET = env("CLIENT_SECRET")
    OAUTH_TOKEN_URL     = "https://auth.example.com/oauth/token"
  }
}
