# want: allow_step_up holds something that is no scope
server "tickets" {
  url = "https://mcp.example.com/mcp"
  allow_step_up = ["read write"]
  oauth_config {
    enabled = true
    OAUTH_GRANT_TYPE = "authorization_code"
  }
}
