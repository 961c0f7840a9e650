# want: OAUTH_AUTHORIZATION_URL is required and cannot be empty
# want: OAUTH_CLIENT_ID or OAUTH_REGISTRATION_URL is required where nothing is discovered
# want: OAUTH_TOKEN_URL is required and cannot be empty
server "tickets" {
  command = "uvx"
  args = ["acme-search-mcp"]
  oauth_config {
    enabled = true
    OAUTH_GRANT_TYPE = "authorization_code"
  }
}
