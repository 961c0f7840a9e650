# want: OAUTH_AUTHORIZATION_URL has a meaning with OAUTH_GRANT_TYPE = "authorization_code" only
# want: OAUTH_DEVICE_AUTHORIZATION_URL has a meaning with OAUTH_GRANT_TYPE = "authorization_code" only
# want: OAUTH_REGISTRATION_URL has a meaning with OAUTH_GRANT_TYPE = "authorization_code" only
# want: OAUTH_REDIRECT_URI has a meaning with OAUTH_GRANT_TYPE = "authorization_code" only
# want: OAUTH_USE_PKCE has a meaning with OAUTH_GRANT_TYPE = "authorization_code" only
# want: OAUTH_CODE_CHALLENGE_METHOD has a meaning with OAUTH_GRANT_TYPE = "authorization_code" only
# want: OAUTH_CLIENT_METADATA_URL has a meaning with OAUTH_GRANT_TYPE = "authorization_code" only
# want: OAUTH_AUTHORIZATION_PARAMS has a meaning with OAUTH_GRANT_TYPE = "authorization_code" only
server "tickets" {
  url = "https://mcp.example.com/mcp"
  oauth_config {
    enabled = true
    OAUTH_GRANT_TYPE = "refresh_token"
    OAUTH_CLIENT_ID = "client-123"
    OAUTH_REFRESH_TOKEN = env("R")
    OAUTH_TOKEN_URL = "https://auth.example.com/oauth/token"
    OAUTH_AUTHORIZATION_URL = "https://auth.example.com/a"
    OAUTH_DEVICE_AUTHORIZATION_URL = "https://auth.example.com/d"
    OAUTH_REGISTRATION_URL = "https://auth.example.com/r"
    OAUTH_REDIRECT_URI = "http://127.0.0.1:8123/callback"
    OAUTH_USE_PKCE = true
    OAUTH_CODE_CHALLENGE_METHOD = "S256"
    OAUTH_CLIENT_METADATA_URL = "https://app.example.com/client.json"
    OAUTH_AUTHORIZATION_PARAMS = { prompt = "consent" }
  }
}
