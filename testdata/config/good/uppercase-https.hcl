server "tickets" {
  url = "HTTPS://mcp.example.com"
  oauth_config {
    enabled             = true
    OAUTH_CLIENT_ID     = "client-123"
    OAUTH_CLIENT_SECRET = env("CLIENT_SECRET")
    OAUTH_VERSION = "2.1"
    OAUTH_TOKEN_URL = "HTTPS://auth.example.com/token"
  }
}
