# The second guide: GitHub.
server "github-integration" {
  url = "https://github.example.com/api/v1/mcp"
  oauth_config {
    enabled = true
    OAUTH_GRANT_TYPE = "authorization_code"
    OAUTH_CLIENT_ID = "your-github-app-id"
    OAUTH_CLIENT_SECRET = secret("github-integration")
    OAUTH_AUTHORIZATION_URL = "https://github.com/login/oauth/authorize"
    OAUTH_TOKEN_URL = "https://github.com/login/oauth/access_token"
    OAUTH_SCOPE = ["repo", "user"]
  }
}
