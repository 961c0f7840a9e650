# want: OAUTH_CA_BUNDLE_PATH must be a string or a secret reference, not an object
server "tickets" {
  url = "https://mcp.example.com/mcp"
  oauth_config {
    enabled             = true
    OAUTH_CLIENT_ID     = "client-123"
    OAUTH_TOKEN_URL     = "https://auth.example.com/oauth/token"
    OAUTH_CLIENT_SECRET = env("S")
    OAUTH_CA_BUNDLE_PATH = {}
  }
}
