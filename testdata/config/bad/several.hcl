# want: OAUTH_CLIENT_ID is required and cannot be empty for client_credentials grant
# want: OAUTH_TOKEN_EXPIRY_BUFFER cannot be negative
# want: OAuth 2.1 requires HTTPS for token_url
# want: the server needs command or url
# want: unknown block "loog"
loog {}
server "tickets" {
  url = "https://mcp.example.com/mcp"
  oauth_config {
    enabled             = true
    OAUTH_CLIENT_SECRET = env("CLIENT_SECRET")
    OAUTH_VERSION = "2.1"
    OAUTH_TOKEN_URL = "http://a.example.com"
    OAUTH_TOKEN_EXPIRY_BUFFER = -5
  }
}
server "empty" {}
