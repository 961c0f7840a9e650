# want: listen is the address of server "a" too
server "a" {
  url = "https://mcp.example.com/mcp"
  listen = "127.0.0.1:8001"
  oauth_config {
    enabled             = true
    OAUTH_CLIENT_ID     = "client-123"
    OAUTH_CLIENT_SECRET = env("CLIENT_SECRET")
    OAUTH_TOKEN_URL     = "https://auth.example.com/oauth/token"
  }
}
server "b" {
  url = "https://mcp.example.com/mcp"
  listen = "127.0.0.1:8001"
  oauth_config {
    enabled             = true
    OAUTH_CLIENT_ID     = "client-123"
    OAUTH_CLIENT_SECRET = env("CLIENT_SECRET")
    OAUTH_TOKEN_URL     = "https://auth.example.com/oauth/token"
  }
}
