# want: OAUTH_REFRESH_TOKEN has a meaning with OAUTH_GRANT_TYPE = "refresh_token" only
server "tickets" {
  url = "https://mcp.example.com/mcp"
  oauth_config {
    enabled = true
    OAUTH_GRANT_TYPE = "authorization_code"
    OAUTH_REFRESH_TOKEN = env("R")
  }
}
