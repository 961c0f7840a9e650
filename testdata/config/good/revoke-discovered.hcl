server "tickets" {
  url = "https://mcp.example.com/mcp"
  revoke_on_shutdown = true
  oauth_config {
    enabled = true
    OAUTH_CLIENT_ID = "client-123"
    OAUTH_CLIENT_SECRET = env("CLIENT_SECRET")
  }
}
