# want: OAUTH_CUSTOM_HEADERS.X-Key: the path of vault(…) holds the data/ of the API's path
server "tickets" {
  url = "https://mcp.example.com/mcp"
  oauth_config {
    enabled             = true
    OAUTH_CLIENT_ID     = "client-123"
    OAUTH_TOKEN_URL     = "https://auth.example.com/oauth/token"
    OAUTH_CLIENT_SECRET = env("S")
    OAUTH_CUSTOM_HEADERS = { X-Key = vault("kv/team/data/mcp/tickets", "a") }
  }
}
vault {
  address = "https://vault.example.com:8200"
  mount = "kv/team"
  auth "token" {
    token = env("T")
  }
}
