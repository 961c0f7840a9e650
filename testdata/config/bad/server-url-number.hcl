# want: OAUTH_SERVER_URL must be a string, not a number
server "tickets" {
  command = "uvx"
  args = ["acme-search-mcp"]
  oauth_config {
    enabled = true
    OAUTH_CLIENT_ID = "client-123"
    OAUTH_CLIENT_SECRET = env("CLIENT_SECRET")
    OAUTH_SERVER_URL = 1
  }
}
