# want: is_remote = true needs exactly one http(s) URL in args, found 2
server "search" {
  command = "uvx"
  args = ["https://a.example.com", "https://b.example.com"]
  oauth_config {
    enabled             = true
    OAUTH_CLIENT_ID     = "client-123"
    OAUTH_CLIENT_SECRET = env("CLIENT_SECRET")
    OAUTH_TOKEN_URL     = "https://auth.example.com/oauth/token"
    is_remote = true
  }
}
