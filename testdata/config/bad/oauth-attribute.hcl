# want: oauth_config is a block
server "tickets" {
  url = "https://mcp.example.com/mcp"
  oauth_config = { enabled = true }
}
