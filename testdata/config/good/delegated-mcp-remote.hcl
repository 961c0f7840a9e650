server "legacy" {
  command = "npx"
  args = ["-y", "mcp-remote", "https://mcp.example.com/mcp"]
  oauth_config {
    enabled = true
    OAUTH_GRANT_TYPE = "authorization_code"
  }
}
