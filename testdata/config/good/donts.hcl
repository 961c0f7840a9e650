# warn: OAUTH_CLIENT_SECRET is written into the configuration
# warn: OAUTH_TOKEN_EXPIRY_BUFFER is long: tokens are renewed early
# warn: OAUTH_VALIDATE_SCOPES is off: a token with fewer scopes is accepted
# warn: client_secret_post is used: client_secret_basic is safer
# warn: the token is sent in the URL, where logs and proxies see it
server "tickets" {
  url = "https://mcp.example.com/mcp"
  oauth_config {
    enabled             = true
    OAUTH_CLIENT_ID     = "client-123"
    OAUTH_TOKEN_URL     = "https://auth.example.com/oauth/token"
    OAUTH_CLIENT_SECRET = "hunter2-hunter2"
    OAUTH_USE_BASIC_AUTH = false
    OAUTH_TOKEN_EXPIRY_BUFFER = 301
    OAUTH_VALIDATE_SCOPES = false
    OAUTH_TOKEN_IN_HEADER_ONLY = false
  }
}
