# want: OAUTH_CLIENT_SECRET needs OAUTH_CLIENT_ID
server "tickets" {
  url = "https://mcp.example.com/mcp"
  oauth_config {
    enabled = true
    OAUTH_GRANT_TYPE = "authorization_code"
    OAUTH_CLIENT_SECRET = env("CLIENT_SECRET")
  }
}
