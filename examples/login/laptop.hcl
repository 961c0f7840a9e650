# On a laptop: the request that needs a person opens the browser itself.

server "tracker" {
  url   = "https://mcp.example.com/mcp"
  login = "auto"

  allow_step_up = ["issues:write"] # may be asked for when the server demands it, beside OAUTH_SCOPE

  oauth_config {
    enabled          = true
    OAUTH_VERSION    = "2.1"
    OAUTH_GRANT_TYPE = "authorization_code"
    OAUTH_SCOPE      = "issues:read"
  }
}
