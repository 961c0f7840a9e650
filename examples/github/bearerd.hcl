# GitHub's remote MCP server, in two ways. One is enough: remove the other.

# By an OAuth app: a person signs in once. GitHub's tokens have no expiry: they are used until they are refused.
server "github" {
  url = "https://api.githubcopilot.com/mcp/"
  oauth_config {
    enabled                 = true
    OAUTH_VERSION           = "2.1"
    OAUTH_GRANT_TYPE        = "authorization_code"
    OAUTH_AUTHORIZATION_URL = "https://github.com/login/oauth/authorize"
    OAUTH_TOKEN_URL         = "https://github.com/login/oauth/access_token"
    OAUTH_CLIENT_ID         = "your-oauth-app-id"
    OAUTH_CLIENT_SECRET     = secret("github")
    OAUTH_SCOPE             = "repo read:user"
  }
}

# By a personal access token, for the program that GitHub publishes: no sign-in, and nothing to renew.
server "github-pat" {
  command = "github-mcp-server"
  args    = ["stdio"]
  env     = { GITHUB_PERSONAL_ACCESS_TOKEN = secret("github-pat") }
}
