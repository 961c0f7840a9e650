# The second guide: a client without a secret, PKCE.
server "public-client-service" {
  url = "https://api.example.com/mcp"
  oauth_config {
    enabled = true
    OAUTH_GRANT_TYPE = "authorization_code"
    OAUTH_CLIENT_ID = "your-public-client-id"
    OAUTH_AUTHORIZATION_URL = "https://auth.example.com/oauth/authorize"
    OAUTH_TOKEN_URL = "https://auth.example.com/oauth/token"
    OAUTH_SCOPE = ["mcp:read"]
  }
}
