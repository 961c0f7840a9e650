# warn: OAUTH_ENFORCE_HTTPS is off
server "a" {
  url = "https://mcp.example.com/mcp"
  oauth_config {
    enabled             = true
    OAUTH_ENFORCE_HTTPS = false
    OAUTH_CLIENT_ID     = "id"
    OAUTH_CLIENT_SECRET = env("S")
    OAUTH_TOKEN_URL     = "https://auth.example.com/token"
  }
}
