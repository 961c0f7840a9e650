server "search" {
  command = "/usr/bin/curl"
  args = ["-sS", "-o", "answer.json", "-X", "POST", "--data", "https://not.example.com", "https://mcp.example.com"]
  oauth_config {
    enabled             = true
    OAUTH_CLIENT_ID     = "client-123"
    OAUTH_CLIENT_SECRET = env("CLIENT_SECRET")
    OAUTH_TOKEN_URL     = "https://auth.example.com/oauth/token"
  }
}
