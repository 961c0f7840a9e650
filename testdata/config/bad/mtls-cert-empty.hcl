# want: OAUTH_CLIENT_CERT_PATH is required when using mTLS
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
    OAUTH_USE_MTLS = true
    OAUTH_CLIENT_CERT_PATH = ""
    OAUTH_CLIENT_KEY_PATH = vault("mtls", "key")
  }
}
