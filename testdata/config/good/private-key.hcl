# The certificate is shown too; the client is known by its key.
server "tickets" {
  url = "https://mcp.example.com/mcp"
  oauth_config {
    enabled = true
    OAUTH_CLIENT_ID = "client-123"
    OAUTH_TOKEN_URL = "https://auth.example.com/oauth/token"
    OAUTH_PRIVATE_KEY_PATH = secret("key")
    OAUTH_USE_MTLS = true
    OAUTH_CLIENT_CERT_PATH = secret("cert")
    OAUTH_CLIENT_KEY_PATH = secret("tls-key")
  }
}
