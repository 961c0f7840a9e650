# For claude_desktop_config.json beside it, in ~/.config/bearerd. Claude Desktop starts `bearerd exec NAME` for each.

# A program on this machine: it gets its token in the environment, and is exchanged when the token ends.
server "search" {
  command = "uvx"
  args    = ["acme-search-mcp"]
  oauth_config {
    enabled             = true
    OAUTH_CLIENT_ID     = "client-123"
    OAUTH_CLIENT_SECRET = secret("search")
    OAUTH_TOKEN_URL     = "https://auth.example.com/oauth/token"
  }
}

# A remote server, in place of mcp-remote. You sign in once: the first request opens the browser.
server "tracker" {
  url   = "https://mcp.example.com/mcp"
  login = "auto"
  oauth_config {
    enabled          = true
    OAUTH_VERSION    = "2.1"
    OAUTH_GRANT_TYPE = "authorization_code"
  }
}
