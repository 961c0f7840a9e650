# warn: OAUTH_USE_PKCE is off: an authorization code that is injected is not told from yours
server "tickets" {
  url = "https://mcp.example.com/mcp"
  oauth_config {
    enabled = true
    OAUTH_GRANT_TYPE = "authorization_code"
    OAUTH_CLIENT_ID = "client-123"
    OAUTH_USE_PKCE = false
    OAUTH_USE_MTLS = true
    OAUTH_CLIENT_CERT_PATH = secret("cert")
    OAUTH_CLIENT_KEY_PATH = secret("key")
  }
}
