# want: listen is the address of metrics_listen too
admin {
  metrics_listen = "127.0.0.1:9090"
}

server "a" {
  url    = "https://mcp.example.com"
  listen = "127.0.0.1:9090"
}
