# The second guide: an authorization server of your own.
server "custom-oauth-service" {
  url = "https://mcp.yourcompany.com/mcp"
  oauth_config {
    enabled = true
    OAUTH_GRANT_TYPE = "authorization_code"
    OAUTH_CLIENT_ID = "deepintshield-client-id"
    OAUTH_CLIENT_SECRET = secret("custom-oauth-service")
    OAUTH_AUTHORIZATION_URL = "https://auth.yourcompany.com/authorize"
    OAUTH_TOKEN_URL = "https://auth.yourcompany.com/token"
    OAUTH_REGISTRATION_URL = "https://auth.yourcompany.com/register"
    OAUTH_SERVER_URL = "https://mcp.yourcompany.com"
    OAUTH_SCOPE = ["mcp:full"]
  }
}
