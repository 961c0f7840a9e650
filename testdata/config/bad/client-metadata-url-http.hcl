# want: OAUTH_CLIENT_METADATA_URL must start with https://
server "tickets" {
  url = "https://mcp.example.com/mcp"
  oauth_config {
    enabled = true
    OAUTH_GRANT_TYPE = "authorization_code"
    OAUTH_CLIENT_METADATA_URL = "http://app.example.com/c.json"
  }
}
