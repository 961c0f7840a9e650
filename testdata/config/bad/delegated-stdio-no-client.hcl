# want: OAUTH_CLIENT_ID or OAUTH_REGISTRATION_URL is required where nothing is discovered
server "tickets" {
  command = "uvx"
  args = ["acme-search-mcp"]
  oauth_config {
    enabled = true
    OAUTH_GRANT_TYPE = "authorization_code"
    OAUTH_AUTHORIZATION_URL = "https://auth.example.com/oauth/authorize"
    OAUTH_TOKEN_URL = "https://auth.example.com/oauth/token"
    OAUTH_CLIENT_METADATA_URL = "https://app.example.com/client.json"
  }
}
