# warn: OAUTH_REFRESH_TOKEN is written into the configuration
server "public" {
  url = "https://mcp.example.com/mcp"
  oauth_config {
    enabled             = true
    OAUTH_CLIENT_ID     = "client-123"
    OAUTH_TOKEN_URL     = "https://auth.example.com/oauth/token"
    OAUTH_GRANT_TYPE = "refresh_token"
    OAUTH_REFRESH_TOKEN = env("R")
  }
}
server "tickets" {
  url = "https://mcp.example.com/mcp"
  oauth_config {
    enabled             = true
    OAUTH_CLIENT_ID     = "client-123"
    OAUTH_TOKEN_URL     = "https://auth.example.com/oauth/token"
    OAUTH_GRANT_TYPE = "refresh_token"
    OAUTH_REFRESH_TOKEN = "hunter2-hunter2"
    OAUTH_CLIENT_SECRET = env("S")
    OAUTH_REVOCATION_URL = "https://auth.example.com/r"
    OAUTH_VERSION = "2.1"
  }
}
