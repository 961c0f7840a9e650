# The first configuration of the README: a remote server behind the local proxy, and a stdio server.
# `bearerd secret set tickets` and `bearerd secret set search` keep the two secrets.

# A remote server, reached through the local proxy.
server "tickets" {
  url = "https://mcp.example.com/mcp"
  oauth_config {
    enabled             = true
    OAUTH_VERSION       = "2.1"
    OAUTH_CLIENT_ID     = "client-123"
    OAUTH_CLIENT_SECRET = secret("tickets")
    OAUTH_TOKEN_URL     = "https://auth.example.com/oauth/token"
    OAUTH_SCOPE         = "read write"
  }
}

# A stdio server: the token arrives in its environment.
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
