server "plain" {
  command = "uvx"
}
server "tickets" {
  url = "http://mcp.example.com"
  oauth_config {
    enabled = false
  }
}
