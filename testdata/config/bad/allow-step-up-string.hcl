# want: allow_step_up must be a list of strings, not a string
server "tickets" {
  url = "https://mcp.example.com/mcp"
  allow_step_up = "read"
  oauth_config {
    enabled = true
    OAUTH_GRANT_TYPE = "authorization_code"
  }
}
