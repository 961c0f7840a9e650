server "search" {
  command = "uvx"
  args = ["acme-search-mcp"]
  oauth_config {
    enabled = true
    OAUTH_GRANT_TYPE = "authorization_code"
    OAUTH_AUTHORIZATION_URL = "https://auth.example.com/oauth/authorize"
    OAUTH_TOKEN_URL = "https://auth.example.com/oauth/token"
    OAUTH_REGISTRATION_URL = "https://auth.example.com/register"
  }
}
