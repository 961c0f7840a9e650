# want: OAUTH_CLIENT_SECRET: vault(…) needs a path and a field
vault {
  address = "https://vault.example.com:8200"
  auth "token" {
    token = env("T")
  }
}
server "tickets" {
  url = "https://mcp.example.com/mcp"
  oauth_config {
    enabled             = true
    OAUTH_CLIENT_ID     = "client-123"
    OAUTH_TOKEN_URL     = "https://auth.example.com/oauth/token"
    OAUTH_CLIENT_SECRET = vault("mcp/tickets", "")
  }
}
