# warn: url uses http: the token crosses the network in clear
server "tickets" {
  url = "http://mcp.example.com/mcp"
  oauth_config {
    enabled = true
    OAUTH_CLIENT_ID = "client-123"
    OAUTH_CLIENT_SECRET = env("CLIENT_SECRET")
    OAUTH_TOKEN_URL = "https://auth.example.com/oauth/token"
    OAUTH_ENFORCE_HTTPS = false
  }
}
