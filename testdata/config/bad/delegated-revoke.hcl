# want: revoke_on_shutdown would end the grant at each stop: its refresh token goes too
server "tickets" {
  url = "https://mcp.example.com/mcp"
  revoke_on_shutdown = true
  oauth_config {
    enabled = true
    OAUTH_GRANT_TYPE = "authorization_code"
    OAUTH_REVOCATION_URL = "https://auth.example.com/r"
  }
}
