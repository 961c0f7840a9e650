server "tickets" {
  url = "https://mcp.example.com/mcp"
  oauth_config {
    enabled = true
    OAUTH_GRANT_TYPE = "authorization_code"
    OAUTH_CLIENT_METADATA_URL = "https://app.example.com/client.json"
    OAUTH_PRIVATE_KEY_PATH = credential("key")
  }
}
