# want: OAUTH_CLIENT_SECRET: the path of vault(…) holds the data/ of the API's path
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
    OAUTH_CLIENT_SECRET = vault("data/mcp/tickets", "a")
  }
}
