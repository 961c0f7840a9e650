# want: socket_mode needs a listen on a unix socket
proxy {
  listen = "unix:/run/bearerd/proxy.sock"
}
server "tickets" {
  url = "https://mcp.example.com/mcp"
  listen      = "127.0.0.1:8001"
  socket_mode = "0660"
  oauth_config {
    enabled             = true
    OAUTH_CLIENT_ID     = "client-123"
    OAUTH_CLIENT_SECRET = env("CLIENT_SECRET")
    OAUTH_TOKEN_URL     = "https://auth.example.com/oauth/token"
  }
}
