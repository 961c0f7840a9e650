# want: command and url exclude each other
server "x" {
  command = "a"
  url = "https://mcp.example.com"
}
