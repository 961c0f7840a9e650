# Use case 1 of the guide: OAuth 2.1 with Auth0.
# The token is bound to an API by its audience. Keep the secret with: bearerd secret set auth0

server "auth0" {
  url = "https://yourapi.example.com/mcp"

  oauth_config {
    enabled             = true
    OAUTH_VERSION       = "2.1"
    OAUTH_GRANT_TYPE    = "client_credentials"
    OAUTH_CLIENT_ID     = "your-auth0-client-id"
    OAUTH_CLIENT_SECRET = secret("auth0")
    OAUTH_TOKEN_URL     = "https://yourtenant.auth0.com/oauth/token"
    OAUTH_AUDIENCE      = "https://yourapi.example.com"
    OAUTH_SCOPE         = "read:data write:data"
  }
}
