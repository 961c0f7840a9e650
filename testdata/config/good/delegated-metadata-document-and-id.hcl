# warn: OAUTH_CLIENT_METADATA_URL has no effect beside OAUTH_CLIENT_ID
server "tickets" {
  url = "https://mcp.example.com/mcp"
  oauth_config {
    enabled = true
    OAUTH_GRANT_TYPE = "authorization_code"
    OAUTH_CLIENT_ID = "client-123"
    OAUTH_CLIENT_METADATA_URL = "https://app.example.com/client.json"
  }
}
