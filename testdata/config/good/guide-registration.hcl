# The second guide: a client that is registered.
server "auto-registered-service" {
  url = "https://api.example.com/mcp"
  oauth_config {
    enabled = true
    OAUTH_GRANT_TYPE = "authorization_code"
    OAUTH_REGISTRATION_URL = "https://auth.example.com/oauth/register"
    OAUTH_SERVER_URL = "https://api.example.com"
    OAUTH_SCOPE = ["mcp:read", "mcp:write"]
  }
}
