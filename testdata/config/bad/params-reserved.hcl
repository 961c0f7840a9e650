# want: OAUTH_ADDITIONAL_PARAMS may not name grant_type
# want: OAUTH_ADDITIONAL_PARAMS may not name scope
# want: OAUTH_ADDITIONAL_PARAMS may not name token_type_hint
server "tickets" {
  url = "https://mcp.example.com/mcp"
  oauth_config {
    enabled             = true
    OAUTH_CLIENT_ID     = "client-123"
    OAUTH_CLIENT_SECRET = env("CLIENT_SECRET")
    OAUTH_TOKEN_URL     = "https://auth.example.com/oauth/token"
    OAUTH_ADDITIONAL_PARAMS = { scope = "x", grant_type = "password", token_type_hint = "x", realm = "r" }
  }
}
