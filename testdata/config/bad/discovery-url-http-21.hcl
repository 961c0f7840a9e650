# want: OAuth 2.1 requires HTTPS for url, where discovery starts
server "tickets" {
  url = "http://localhost:9000/mcp"
  oauth_config {
    enabled = true
    OAUTH_VERSION = "2.1"
    OAUTH_CLIENT_ID = "client-123"
    OAUTH_CLIENT_SECRET = env("CLIENT_SECRET")
  }
}
