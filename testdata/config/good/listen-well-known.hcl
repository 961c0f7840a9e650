# Below its name, such a url is at no place where clients look for metadata.
server "shared" {
  url = "https://mcp.example.com/.well-known/mcp"
}
server "deeper" {
  url    = "https://mcp.example.com/v1/.well-known/mcp"
  listen = "127.0.0.1:8001"
}
server "longer" {
  url    = "https://mcp.example.com/.well-known-tools"
  listen = "127.0.0.1:8002"
}
