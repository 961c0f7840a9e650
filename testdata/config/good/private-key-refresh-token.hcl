server "tickets" {
  url = "https://mcp.example.com/mcp"
  oauth_config {
    enabled = true
    OAUTH_GRANT_TYPE = "refresh_token"
    OAUTH_CLIENT_ID = "client-123"
    OAUTH_REFRESH_TOKEN = env("R")
    OAUTH_TOKEN_URL = "https://auth.example.com/oauth/token"
    OAUTH_PRIVATE_KEY_PATH = env("KEY")
  }
}
