# want: Client certificate not found: /nonexistent/client.pem
# want: Client key not found: /nonexistent/client-key.pem
server "tickets" {
  url = "https://mcp.example.com/mcp"
  oauth_config {
    enabled             = true
    OAUTH_CLIENT_ID     = "client-123"
    OAUTH_CLIENT_SECRET = env("CLIENT_SECRET")
    OAUTH_TOKEN_URL     = "https://auth.example.com/oauth/token"
    OAUTH_USE_MTLS = true
    OAUTH_CLIENT_CERT_PATH = "/nonexistent/client.pem"
    OAUTH_CLIENT_KEY_PATH = "/nonexistent/client-key.pem"
  }
}
