# want: revoke_on_shutdown would end the grant at each stop: its refresh token goes too
server "tickets" {
  url = "https://mcp.example.com/mcp"
  revoke_on_shutdown = true
  oauth_config {
    enabled             = true
    OAUTH_CLIENT_ID     = "client-123"
    OAUTH_TOKEN_URL     = "https://auth.example.com/oauth/token"
    OAUTH_GRANT_TYPE = "refresh_token"
    OAUTH_REFRESH_TOKEN = env("R")
    OAUTH_REVOCATION_URL = "https://auth.example.com/r"
  }
}
