# want: OAUTH_CLIENT_METADATA_URL may not have . or .. in its path
server "tickets" {
  url = "https://mcp.example.com/mcp"
  oauth_config {
    enabled = true
    OAUTH_GRANT_TYPE = "authorization_code"
    OAUTH_CLIENT_METADATA_URL = "https://app.example.com/a/../c.json"
  }
}
