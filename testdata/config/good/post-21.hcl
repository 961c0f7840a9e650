# warn: OAuth 2.1 recommends client_secret_basic over client_secret_post
server "tickets" {
  url = "https://mcp.example.com/mcp"
  oauth_config {
    enabled             = true
    OAUTH_CLIENT_ID     = "client-123"
    OAUTH_CLIENT_SECRET = env("CLIENT_SECRET")
    OAUTH_TOKEN_URL     = "https://auth.example.com/oauth/token"
    OAUTH_VERSION = "2.1"
    OAUTH_USE_BASIC_AUTH = false
  }
}
