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
    OAUTH_CLIENT_CERT_PATH = vault("mtls", "cert")
    OAUTH_CLIENT_KEY_PATH = secret("mtls/key")
    OAUTH_CA_BUNDLE_PATH = credential("ca")
  }
}
