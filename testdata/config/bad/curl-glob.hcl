# want: the URL in args is not a valid URL
server "search" {
  command = "curl"
  args    = ["https://{a,b}.example.com"]
  oauth_config {
    enabled             = true
    OAUTH_CLIENT_ID     = "client-123"
    OAUTH_CLIENT_SECRET = env("CLIENT_SECRET")
    OAUTH_TOKEN_URL     = "https://auth.example.com/oauth/token"
  }
}
