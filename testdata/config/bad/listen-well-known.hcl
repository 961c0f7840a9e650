# want: listen would serve the path of url, and nothing below /.well-known is served: there clients look for an OAuth of their own
# want: listen would serve the path of url, and nothing below /.well-known is served: there clients look for an OAuth of their own
server "one" {
  url    = "https://mcp.example.com/.well-known/mcp"
  listen = "127.0.0.1:8001"
}
server "two" {
  url    = "https://mcp.example.com/%2ewell-known"
  listen = "127.0.0.1:8002"
}
