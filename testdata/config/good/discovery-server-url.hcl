server "tickets" {
  url = "http://127.0.0.1:9000/mcp"
  oauth_config {
    enabled = true
    OAUTH_GRANT_TYPE = "authorization_code"
    OAUTH_SERVER_URL = "https://mcp.example.com/mcp"
  }
}
