# The second guide: endpoints that are discovered.
server "discovered-service" {
  url = "https://api.example.com/mcp"
  oauth_config {
    enabled = true
    OAUTH_GRANT_TYPE = "authorization_code"
    OAUTH_CLIENT_ID = "your-client-id"
    OAUTH_SERVER_URL = "https://api.example.com"
    OAUTH_SCOPE = ["mcp:read"]
  }
}
