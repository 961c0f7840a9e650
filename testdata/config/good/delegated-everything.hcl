server "tickets" {
  url = "https://mcp.example.com/mcp"
  login = "auto"
  allow_step_up = ["files:write"]
  allow_private = ["auth.internal", "10.0.0.8", "fd00::/8", "127.0.0.1", "localhost", "10.1.0.0/16"]
  oauth_config {
    enabled = true
    OAUTH_GRANT_TYPE = "authorization_code"
    OAUTH_VERSION = "2.1"
    OAUTH_CLIENT_ID = "client-123"
    OAUTH_PRIVATE_KEY_PATH = credential("key")
    OAUTH_PRIVATE_KEY_ID = "k1"
    OAUTH_AUTHORIZATION_URL = "https://auth.example.com/authorize?owner=user"
    OAUTH_TOKEN_URL = "https://auth.example.com/oauth/token"
    OAUTH_DEVICE_AUTHORIZATION_URL = "https://auth.example.com/device"
    OAUTH_REGISTRATION_URL = "https://auth.example.com/register"
    OAUTH_SERVER_URL = "https://mcp.example.com/v2/mcp"
    OAUTH_REVOCATION_URL = "https://auth.example.com/revoke"
    OAUTH_REDIRECT_URI = "http://[::1]:8123/callback?tenant=a"
    OAUTH_USE_PKCE = true
    OAUTH_CODE_CHALLENGE_METHOD = "S256"
    OAUTH_AUTHORIZATION_PARAMS = { access_type = "offline", max_age = 60, hint = env("HINT") }
  }
}
