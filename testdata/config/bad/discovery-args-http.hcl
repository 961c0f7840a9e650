# want: HTTPS is required for the URL in args, where discovery starts (OAuth 2.0 best practice)
server "tickets" {
  command = "npx"
  args = ["-y", "mcp-remote", "http://127.0.0.1:9000/mcp", "--allow-http"]
  oauth_config {
    enabled = true
    OAUTH_GRANT_TYPE = "authorization_code"
  }
}
