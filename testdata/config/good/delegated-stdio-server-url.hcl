server "search" {
  command = "uvx"
  args = ["acme-search-mcp"]
  oauth_config {
    enabled = true
    OAUTH_GRANT_TYPE = "authorization_code"
    OAUTH_SERVER_URL = "https://api.example.com/mcp"
  }
}
