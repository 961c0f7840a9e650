# want: CA bundle not found: /nonexistent/ca.pem
# want: token_file is a CA bundle
server "x" {
  command    = "a"
  token_file = "/nonexistent/ca.pem"
  oauth_config {
    enabled             = true
    OAUTH_CLIENT_ID     = "client-123"
    OAUTH_CLIENT_SECRET = env("CLIENT_SECRET")
    OAUTH_TOKEN_URL     = "https://auth.example.com/oauth/token"
    OAUTH_CA_BUNDLE_PATH = "/nonexistent/ca.pem"
  }
}
