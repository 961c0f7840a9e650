# want: OAUTH_CLIENT_SECRET: a secret reference cannot be a part of a text
vault {
  address = "https://vault.example.com:8200"
  auth "token" {
    token = env("T")
  }
}
server "tickets" {
  url = "https://mcp.example.com/mcp"
  oauth_config {
    enabled             = true
    OAUTH_CLIENT_ID     = "client-123"
    OAUTH_TOKEN_URL     = "https://auth.example.com/oauth/token"
    OAUTH_CLIENT_SECRET = "x${vault("a", "b")}"
  }
}
