# want: OAUTH_REDIRECT_URI uses http on another host than 127.0.0.1, [::1] or localhost
server "tickets" {
  url = "https://mcp.example.com/mcp"
  oauth_config {
    enabled = true
    OAUTH_GRANT_TYPE = "authorization_code"
    OAUTH_REDIRECT_URI = "http://127.0.0.2:8123/callback"
  }
}
