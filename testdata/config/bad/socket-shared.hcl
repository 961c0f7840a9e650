# want: socket_group needs a listen of its own
# want: socket_mode needs a listen of its own
proxy {
  listen = "unix:/run/bearerd/proxy.sock"
}
server "tickets" {
  url = "https://mcp.example.com/mcp"
  socket_mode  = "0660"
  socket_group = "mcp"
  oauth_config {
    enabled             = true
    OAUTH_CLIENT_ID     = "client-123"
    OAUTH_CLIENT_SECRET = env("CLIENT_SECRET")
    OAUTH_TOKEN_URL     = "https://auth.example.com/oauth/token"
  }
}
