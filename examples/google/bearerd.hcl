# Google, with a client of the kind "Desktop app". Without access_type and prompt no refresh token comes, or only once.

server "google" {
  url = "https://mcp.example.com/api"
  oauth_config {
    enabled                    = true
    OAUTH_VERSION              = "2.1"
    OAUTH_GRANT_TYPE           = "authorization_code"
    OAUTH_AUTHORIZATION_URL    = "https://accounts.google.com/o/oauth2/v2/auth"
    OAUTH_AUTHORIZATION_PARAMS = { access_type = "offline", prompt = "consent" }
    OAUTH_TOKEN_URL            = "https://oauth2.googleapis.com/token"
    OAUTH_REVOCATION_URL       = "https://oauth2.googleapis.com/revoke"
    OAUTH_CLIENT_ID            = "your-client.apps.googleusercontent.com"
    OAUTH_CLIENT_SECRET        = secret("google")
    OAUTH_SCOPE                = "https://www.googleapis.com/auth/calendar.readonly"
  }
}
