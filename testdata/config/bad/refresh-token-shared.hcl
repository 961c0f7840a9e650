# want: OAUTH_REFRESH_TOKEN is that of server "a" too, and may be spent once
# want: OAUTH_REFRESH_TOKEN is that of server "a" too, and may be spent once
server "a" {
  url = "https://mcp.example.com/mcp"
  oauth_config {
    enabled             = true
    OAUTH_CLIENT_ID     = "client-123"
    OAUTH_TOKEN_URL     = "https://auth.example.com/oauth/token"
    OAUTH_GRANT_TYPE = "refresh_token"
    OAUTH_REFRESH_TOKEN = secret("r")
  }
}
server "b" {
  url = "https://mcp.example.com/mcp"
  oauth_config {
    enabled             = true
    OAUTH_CLIENT_ID     = "client-123"
    OAUTH_TOKEN_URL     = "https://auth.example.com/oauth/token"
    OAUTH_GRANT_TYPE = "refresh_token"
    OAUTH_REFRESH_TOKEN = secret("r")
  }
}
server "c" {
  url = "https://mcp.example.com/mcp"
  oauth_config {
    enabled             = true
    OAUTH_CLIENT_ID     = "client-123"
    OAUTH_TOKEN_URL     = "https://auth.example.com/oauth/token"
    OAUTH_GRANT_TYPE = "refresh_token"
    OAUTH_REFRESH_TOKEN = secret("r")
  }
}
server "d" {
  url = "https://mcp.example.com/mcp"
  oauth_config {
    enabled             = false
    OAUTH_CLIENT_ID     = "client-123"
    OAUTH_TOKEN_URL     = "https://auth.example.com/oauth/token"
    OAUTH_GRANT_TYPE = "refresh_token"
    OAUTH_REFRESH_TOKEN = secret("r")
  }
}
