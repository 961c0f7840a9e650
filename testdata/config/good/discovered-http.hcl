# warn: OAUTH_ENFORCE_HTTPS is off: metadata may name endpoints that use http, in clear
server "tickets" {
  url = "https://mcp.example.com/mcp"
  oauth_config {
    enabled = true
    OAUTH_CLIENT_ID = "client-123"
    OAUTH_CLIENT_SECRET = env("CLIENT_SECRET")
    OAUTH_ENFORCE_HTTPS = false
  }
}
