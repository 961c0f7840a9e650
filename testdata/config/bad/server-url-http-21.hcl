# want: OAuth 2.1 requires HTTPS for server_url
server "tickets" {
  url = "https://mcp.example.com/mcp"
  oauth_config {
    enabled = true
    OAUTH_GRANT_TYPE = "authorization_code"
    OAUTH_VERSION = "2.1"
    OAUTH_SERVER_URL = "http://auth.example.com/x"
  }
}
