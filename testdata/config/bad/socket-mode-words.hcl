# want: socket_mode must be an octal mode within 0666, such as "0660"
server "tickets" {
  url = "https://mcp.example.com/mcp"
  listen      = "unix:/run/bearerd/tickets.sock"
  socket_mode = "rw-rw----"
  oauth_config {
    enabled             = true
    OAUTH_CLIENT_ID     = "client-123"
    OAUTH_CLIENT_SECRET = env("CLIENT_SECRET")
    OAUTH_TOKEN_URL     = "https://auth.example.com/oauth/token"
  }
}
