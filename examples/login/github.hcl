# GitHub, with an OAuth app registered there (callback URL http://127.0.0.1:7413/callback). `bearerd secret set github`
# keeps its secret. GitHub's tokens have no expiry: they are used until they are refused.

server "github" {
  url = "https://api.githubcopilot.com/mcp/"
  oauth_config {
    enabled                 = true
    OAUTH_VERSION           = "2.1"
    OAUTH_GRANT_TYPE        = "authorization_code"
    OAUTH_AUTHORIZATION_URL = "https://github.com/login/oauth/authorize"
    OAUTH_TOKEN_URL         = "https://github.com/login/oauth/access_token"
    OAUTH_CLIENT_ID         = "your-github-app-id"
    OAUTH_CLIENT_SECRET     = secret("github")
    OAUTH_SCOPE             = "repo user"
  }
}
