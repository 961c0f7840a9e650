# want: replay needs an oauth_config that is enabled
server "tickets" {
  url = "https://mcp.example.com/mcp"
  replay = "always"
}
