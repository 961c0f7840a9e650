# want: OAUTH_PRIVATE_KEY_PATH needs OAUTH_CLIENT_ID or OAUTH_CLIENT_METADATA_URL
server "tickets" {
  url = "https://mcp.example.com/mcp"
  oauth_config {
    enabled = true
    OAUTH_GRANT_TYPE = "authorization_code"
    OAUTH_PRIVATE_KEY_PATH = credential("key")
  }
}
