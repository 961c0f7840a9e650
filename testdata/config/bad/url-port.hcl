# want: url has a port that does not exist
server "tickets" {
  url = "https://mcp.example.com:0/mcp"
}
