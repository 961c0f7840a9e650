# The second guide: Google, with what it takes there to get a refresh token.
server "google-api" {
  url = "https://mcp.example.com/api"
  oauth_config {
    enabled = true
    OAUTH_GRANT_TYPE = "authorization_code"
    OAUTH_CLIENT_ID = "your-google-client-id.apps.googleusercontent.com"
    OAUTH_CLIENT_SECRET = secret("google-api")
    OAUTH_AUTHORIZATION_URL = "https://accounts.google.com/o/oauth2/v2/auth"
    OAUTH_TOKEN_URL = "https://oauth2.googleapis.com/token"
    OAUTH_SCOPE = ["openid", "email", "profile"]
    OAUTH_AUTHORIZATION_PARAMS = { access_type = "offline" }
  }
}
